import { describe, expect, test } from 'vitest';
import { caseOf, compareVerdicts, KEPT_SEEDS, kernelVerdict } from './kernel-fuzz.ts';

const CASES = 6000;

describe('the kernel and node:zlib', () => {
  test(`give the same verdict and the same bytes before it on ${CASES} streams of random structure`, { timeout: 300_000 }, () => {
    const seeds = [...KEPT_SEEDS, ...Array.from({ length: CASES }, (_, at) => 1000 + at)];
    expect(seeds.map(compareVerdicts).filter((difference) => difference !== undefined)).toEqual([]);
  });

  test('are asked about streams that end, that are cut and that are wrong alike', () => {
    const counts = { end: 0, cut: 0, error: 0 };
    for (let seed = 1000; seed < 2000; seed++) {
      const { deflated, pieces } = caseOf(seed);
      counts[kernelVerdict(deflated, pieces).end]++;
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(100);
  });
});
