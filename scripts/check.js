/** `npm run check`: types, lint, format, unit and architecture tests; all of them run, so that one run tells everything. */
import { join } from 'node:path';
import { checkNodeVersion, installIfStale } from './prepare.js';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';

/** @typedef {{ name: string, script: string, args: readonly string[] }} Step */

/** @type {Readonly<Record<'types' | 'lint' | 'format' | 'tests', Step>>} */
const STEPS = {
  types: { name: 'types', script: 'node_modules/typescript/bin/tsc', args: ['-p', '.'] },
  lint: { name: 'lint', script: 'node_modules/eslint/bin/eslint.js', args: ['--max-warnings', '0', '.'] },
  format: { name: 'format', script: 'node_modules/prettier/bin/prettier.cjs', args: ['--check', '--log-level', 'warn', '.'] },
  tests: { name: 'tests', script: 'scripts/run-vitest.js', args: ['unit'] },
};

async function main() {
  checkNodeVersion();
  await installIfStale();
  // Each of the first three keeps one core busy; the tests want all.
  const lanes = [[STEPS.types, STEPS.format], [STEPS.lint]];
  const results = (await Promise.all(lanes.map(runLane))).flat();
  results.push(await runStep(STEPS.tests));
  return results.every((code) => code === 0) ? 0 : 1;
}

/** @param {readonly Step[]} steps */
async function runLane(steps) {
  const codes = [];
  for (const step of steps) codes.push(await runStep(step));
  return codes;
}

/** @param {Step} step */
async function runStep({ name, script, args }) {
  const started = performance.now();
  const code = await run(process.execPath, [join(ROOT, script), ...args]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`check ${name}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
  return code;
}

await runMain(main);
