/** RELIABILITY §2 row 1 at its full number: 200 seeded moments at which `warm` is killed. */
import { expect, it } from 'vitest';
import { openKillBench } from '../e2e/kill-points.ts';
import { seededMoments } from '../e2e/seeded-moments.ts';

const POINTS = 100;

it.each(['M', 'Z'] as const)('row 1: image %s, killed at 100 moments', { timeout: 900_000 }, async (name) => {
  const bench = await openKillBench(name);
  try {
    const seen = [];
    for (const [at, moment] of seededMoments(name === 'M' ? 3 : 4, POINTS).entries()) {
      // Both kinds of lock; the moments are the same for either.
      const env = at % 2 === 0 ? {} : { CLIPCTL_LOCKS: 'lease' };
      seen.push({ moment, ...(await bench.killAt(moment, { env })) });
    }
    expect(seen.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
    expect(seen.some(({ finished }) => finished > 0)).toBe(true);
    expect(seen.filter(({ partial }) => partial > 0).length).toBeGreaterThan(POINTS / 5);
  } finally {
    await bench.close();
  }
});
