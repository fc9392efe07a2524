/** `npm run check`: types, lint, format, unit and architecture tests; all of them run, so that one run tells everything. */
import { join } from 'node:path';
import { checkNodeVersion, installIfStale } from './prepare.js';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';

const STEPS = [
  { name: 'types', script: 'node_modules/typescript/bin/tsc', args: ['-p', '.'] },
  { name: 'lint', script: 'node_modules/eslint/bin/eslint.js', args: ['--max-warnings', '0', '.'] },
  { name: 'format', script: 'node_modules/prettier/bin/prettier.cjs', args: ['--check', '--log-level', 'warn', '.'] },
  { name: 'tests', script: 'scripts/run-vitest.js', args: ['unit'] },
];

async function main() {
  checkNodeVersion();
  await installIfStale();
  /** @type {string[]} */
  const failed = [];
  for (const { name, script, args } of STEPS) {
    const started = performance.now();
    const code = await run(process.execPath, [join(ROOT, script), ...args]);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`check ${name}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
    if (code !== 0) failed.push(name);
  }
  return failed.length === 0 ? 0 : 1;
}

await runMain(main);
