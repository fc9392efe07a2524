/** Runs of the command line that ended with a failure, shown in whole where a test fails: an expectation shows one stream. */
import type { RunnerTestSuite } from 'vitest';
import { afterAll, afterEach, beforeEach } from 'vitest';

export interface EndedRun {
  readonly args: readonly string[];
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MOST_RUNS = 5;
const MOST_CHARS = 4000;
let failed: EndedRun[] = [];

/** Keeps the last few that failed. */
export function noteRun(run: EndedRun): void {
  if (run.code !== 0) failed = [...failed, run].slice(-MOST_RUNS);
}

/** For vitest's set-up of each file. */
export function showFailedRuns(): void {
  beforeEach(({ task }) => showIf(hasFailedSuite(task.file)));
  afterEach(({ task }) => showIf(task.result?.state === 'fail'));
  // A `beforeAll` that no test has come after has failed.
  afterAll(() => showIf(true));
}

function hasFailedSuite({ tasks }: Pick<RunnerTestSuite, 'tasks'>): boolean {
  return tasks.some((task) => task.type === 'suite' && (task.result?.state === 'fail' || hasFailedSuite(task)));
}

function showIf(isWanted: boolean): void {
  const runs = failed;
  failed = [];
  if (isWanted) for (const run of runs) console.error(describeRun(run));
}

/** The end says why. */
function describeRun({ args, code, stdout, stderr }: EndedRun): string {
  const shown = [stdout, stderr].map((text) => text.slice(-MOST_CHARS).trimEnd());
  return `clipctl ${args.join(' ')}\nexit ${code}, stdout:\n${shown[0]}\nstderr:\n${shown[1]}`;
}
