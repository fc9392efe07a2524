/**
 * Sums what the vitest runs left in build/test-results. As a script, told how many other steps failed, it names each failed
 * test with its reason and prints the closing line of .ci/run.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './root.js';
import { RESULTS_FOLDER } from './run-vitest.js';
import { runMain } from './run.js';

const LONGEST_REASON = 1500;

/**
 * @param {string} [suite] one suite, or all of them
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>} a file that could not even be loaded counts as one failure
 */
export async function readResults(suite) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const result of await readReports(suite)) {
    sum.passed += result.numPassedTests;
    sum.failed += result.numFailedTests + unloadableFiles(result.testResults);
    sum.skipped += result.numPendingTests + result.numTodoTests;
  }
  return sum;
}

/** @param {string} [suite] */
async function readReports(suite) {
  const names = (await readdir(RESULTS_FOLDER)).filter((name) => name === `${suite ?? name.slice(0, -5)}.json`);
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(RESULTS_FOLDER, name), 'utf8'))));
}

/** @returns {Promise<string[]>} a paragraph for each failed test: a closing line that only counts leaves a reader of the log's end guessing */
async function describeFailures() {
  const files = (await readReports()).flatMap((report) => report.testResults);
  return files
    .filter((file) => file.status === 'failed')
    .flatMap((file) => {
      const name = relative(ROOT, file.name);
      /** @type {{ fullName: string, status: string, failureMessages: string[] }[]} */
      const tests = file.assertionResults;
      const failed = tests.filter((test) => test.status === 'failed');
      if (failed.length === 0) return [`FAILED ${name}\n${shorten(file.message)}`];
      return failed.map((test) => `FAILED ${name} > ${test.fullName}\n${shorten(test.failureMessages.join('\n'))}`);
    });
}

/** @param {string} message */
function shorten(message) {
  return message.slice(0, LONGEST_REASON).replace(/^/gm, '  ');
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
  for (const failure of await describeFailures()) process.stdout.write(`${failure}\n\n`);
  process.stdout.write(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return failures > 0 || passed === 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(() => main(Number(process.argv[2] ?? 0)));
}
