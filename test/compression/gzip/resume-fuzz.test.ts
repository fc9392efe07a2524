import { expect, test } from 'vitest';
import { compareResumes } from './resume-fuzz.ts';

const CASES = 2000;

test(
  `checkpoints change nothing of ${CASES} streams of random structure, and each is a place to start from`,
  { timeout: 300_000 },
  () => {
    let resumed = 0;
    for (let seed = 900_000; seed < 900_000 + CASES; seed++) {
      const found = compareResumes(seed);
      expect(found.difference).toBeUndefined();
      resumed += found.resumed;
    }
    expect(resumed).toBeGreaterThan(CASES);
  },
);
