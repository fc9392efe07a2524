/** RELIABILITY §2 row 1: `warm` is killed at seeded moments (200 of them in test/long/kill.test.ts). */
import { expect, it } from 'vitest';
import { openKillBench } from './kill-points.ts';
import { seededMoments } from './seeded-moments.ts';

const POINTS = 6;

it.each(['M', 'Z'] as const)(
  'row 1: image %s, killed at any moment, leaves no wrong file, and the next run goes on from there',
  async (name) => {
    const bench = await openKillBench(name);
    try {
      const seen = [];
      for (const moment of seededMoments(name === 'M' ? 1 : 2, POINTS)) seen.push({ moment, ...(await bench.killAt(moment)) });
      expect(seen.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
      // Else the moments miss what they are for.
      expect(seen.some(({ partial }) => partial > 0)).toBe(true);
    } finally {
      await bench.close();
    }
  },
);
