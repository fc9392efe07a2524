/** What vitest runs before each test file. */
import { showFailedRuns } from './e2e/failed-runs.ts';

showFailedRuns();
