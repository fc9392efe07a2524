/** Sums what the vitest runs left in build/test-results. As a script, told how many other steps failed, it prints the closing line of .ci/run. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RESULTS_FOLDER } from './run-vitest.js';
import { runMain } from './run.js';

/**
 * @param {string} [suite] one suite, or all of them
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>} a file that could not even be loaded counts as one failure
 */
export async function readResults(suite) {
  const names = (await readdir(RESULTS_FOLDER)).filter((name) => name === `${suite ?? name.slice(0, -5)}.json`);
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const result = JSON.parse(await readFile(join(RESULTS_FOLDER, name), 'utf8'));
    sum.passed += result.numPassedTests;
    sum.failed += result.numFailedTests + unloadableFiles(result.testResults);
    sum.skipped += result.numPendingTests + result.numTodoTests;
  }
  return sum;
}

/** @param {readonly { status: string, assertionResults: readonly { status: string }[] }[]} files */
function unloadableFiles(files) {
  return files.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'))
    .length;
}

/**
 * A step that failed because of its tests shows in the count of those already: it must not vanish, it need not count twice.
 * @param {number} failedSteps
 */
async function main(failedSteps) {
  const { passed, failed, skipped } = await readResults();
  const failures = Math.max(failed, failedSteps);
  process.stdout.write(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return failures > 0 || passed === 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(() => main(Number(process.argv[2] ?? 0)));
}
