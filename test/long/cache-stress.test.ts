/** RELIABILITY §2 rows 14 and 24 for 10 minutes each (`CLIPCTL_STRESS_MINUTES`): the short form is test/race/cache-stress.test.ts. */
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { stress, type Sample, type StressOptions, type StressReport } from '../race/stress.ts';

const MINUTES = Number(process.env['CLIPCTL_STRESS_MINUTES'] ?? 10);
const MIB = 1024 * 1024;
const TIMEOUT = { timeout: (MINUTES + 3) * 60_000 };

test(
  `§2 row 14: three processes on one cache for ${MINUTES} minutes: 0 errors, 0 wrong files, nothing left`,
  TIMEOUT,
  async () => {
    const { counts, samples } = await quietStress({ processes: 3, seed: randomInt(2 ** 31) });
    for (const verb of ['warm', 'read', 'evict', 'verify', 'push']) expect(counts[verb]).toBeGreaterThan(50);
    for (const each of samples) expectSteady(each);
  },
);

test(
  `§2 row 24: the same behind a failing registry, and one of them is killed every 10 s, for ${MINUTES} minutes`,
  TIMEOUT,
  async () => {
    const faults = { killEveryMs: 10_000, hasFaults: true };
    const { kills, counts, samples } = await quietStress({ processes: 3, seed: randomInt(2 ** 31), ...faults });
    expect(kills).toBeGreaterThan(MINUTES);
    for (const verb of ['warm', 'evict', 'verify']) expect(counts[verb]).toBeGreaterThan(50 * MINUTES);
    expect(trendOf(samples[0] ?? []).cycles).toBeGreaterThanOrEqual(500);
    expectSteady(samples[0] ?? []);
  },
);

async function quietStress(options: Omit<StressOptions, 'durationMs'>): Promise<StressReport> {
  const report = await stress({ ...options, durationMs: MINUTES * 60_000 });
  const { errors, corrupt, leftovers, counts, kills, samples } = report;
  const steady = samples.map((each) => ({ ...trendOf(each), fds: [...new Set(each.map(({ fds }) => fds))] }));
  process.stderr.write(`${JSON.stringify({ seed: options.seed, counts, kills, steady })}\n`);
  expect({ errors, corrupt, leftovers }).toEqual({ errors: [], corrupt: [], leftovers: [] });
  return report;
}

function expectSteady(samples: readonly Sample[]): void {
  const { cycles, bytesIn100Cycles } = trendOf(samples);
  if (cycles >= 500) expect(bytesIn100Cycles).toBeLessThan(MIB);
  const early = samples.slice(0, samples.length / 2).map(({ fds }) => fds);
  const late = samples.slice(samples.length / 2).map(({ fds }) => fds);
  expect(Math.max(...late)).toBeLessThanOrEqual(Math.max(...early) + 2);
}

/** Least squares over the second half: the first fills caches of the engine. */
function trendOf(samples: readonly Sample[]): { readonly cycles: number; readonly bytesIn100Cycles: number } {
  const late = samples.slice(samples.length / 2);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const x = mean(late.map(({ cycles }) => cycles));
  const y = mean(late.map(({ rssBytes }) => rssBytes));
  const above = late.reduce((sum, { cycles, rssBytes }) => sum + (cycles - x) * (rssBytes - y), 0);
  const below = late.reduce((sum, { cycles }) => sum + (cycles - x) ** 2, 0);
  return { cycles: samples.at(-1)?.cycles ?? 0, bytesIn100Cycles: below === 0 ? 0 : Math.round((above / below) * 100) };
}
