/** Sums what the vitest runs left in build/test-results. As a script it prints the closing line of .ci/run. */
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

async function main() {
  const { passed, failed, skipped } = await readResults();
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runMain(main);
