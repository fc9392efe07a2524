import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const NEEDS_GO = 'test/interop/**/*.test.ts';
const NEEDS_TIME = 'test/long/**/*.test.ts';
const STARTS_PROGRAMS = ['e2e', 'hostile', 'race'].map((folder) => `test/${folder}/**`);

interface Suite {
  readonly include: string[];
  readonly exclude: string[];
  readonly testTimeout: number;
}

/** `vitest run --mode SUITE`. What needs Go or much time has a command of its own; `unit` is the fast part of `all`. */
const SUITES: Readonly<Record<string, Suite>> = {
  all: { include: ['test/**/*.test.ts'], exclude: [NEEDS_GO, NEEDS_TIME], testTimeout: 60_000 },
  unit: { include: ['test/**/*.test.ts'], exclude: [NEEDS_GO, NEEDS_TIME, ...STARTS_PROGRAMS], testTimeout: 60_000 },
  interop: { include: [NEEDS_GO], exclude: [], testTimeout: 600_000 },
  long: { include: [NEEDS_TIME], exclude: [], testTimeout: 600_000 },
};

export default defineConfig(({ mode }) => ({
  test: {
    ...(SUITES[mode] ?? SUITES['all']),
    globalSetup: ['scripts/build-if-stale.js'],
    setupFiles: ['test/set-up.ts'],
    hookTimeout: 120_000,
    pool: 'forks' as const,
    // On two cores vitest would start one: most of the time a test waits for a server or a program.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
}));
