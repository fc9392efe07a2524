/** The fuzzing of kernel-fuzz.test.ts and resume-fuzz.test.ts in test/compression/gzip for 10 minutes (`CLIPCTL_FUZZ_MINUTES`), from a new seed each time. */
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { compareVerdicts } from '../compression/gzip/kernel-fuzz.ts';
import { compareResumes } from '../compression/gzip/resume-fuzz.ts';

const MINUTES = Number(process.env['CLIPCTL_FUZZ_MINUTES'] ?? 10);

test(
  `the kernel and node:zlib agree on random streams, with checkpoints too, for ${MINUTES} minutes`,
  { timeout: (MINUTES + 2) * 60_000 },
  () => {
    const end = performance.now() + MINUTES * 60_000;
    let cases = 0;
    for (let seed = randomInt(2 ** 31); performance.now() < end; seed = (seed + 1) >>> 0) {
      // A seed that shows up here belongs into KEPT_SEEDS once the difference is mended.
      expect(compareVerdicts(seed)).toBeUndefined();
      expect(compareResumes(seed).difference).toBeUndefined();
      cases++;
    }
    expect(cases).toBeGreaterThan(1000);
  },
);
