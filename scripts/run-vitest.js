/**
 * `node scripts/run-vitest.js SUITE [vitest arguments]`: one vitest run, its result kept in build/test-results/SUITE.json for
 * the closing line of .ci/run. Suites: all, unit, interop, long.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';

export const RESULTS_FOLDER = join(ROOT, 'build/test-results');

/**
 * @param {string} suite
 * @param {readonly string[]} [args]
 * @returns {Promise<number>} vitest's exit code
 */
export async function runVitest(suite, args = []) {
  await mkdir(RESULTS_FOLDER, { recursive: true });
  const output = join(RESULTS_FOLDER, `${suite}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
  return run(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--mode', suite, ...reporters, ...args]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [suite = 'all', ...args] = process.argv.slice(2);
  await runMain(() => runVitest(suite, args));
}
