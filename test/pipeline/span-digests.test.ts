import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SpanDigests } from '../../src/lib/pipeline/span-digests.ts';

const SPAN = 4 * 1024 * 1024;

it('has no digest for empty content', () => {
  expect(new SpanDigests().finish()).toHaveLength(0);
});

it('gives the same digests for any chunking', () => {
  const bytes = Buffer.alloc(2 * SPAN + 12345, 'abcdefg');
  const whole = Buffer.concat(
    [0, SPAN, 2 * SPAN].map((at) =>
      createHash('sha256')
        .update(bytes.subarray(at, at + SPAN))
        .digest(),
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 * SPAN }), { maxLength: 6 }), (cuts) => {
      const digests = new SpanDigests();
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        digests.write(bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      expect(Buffer.from(digests.finish()).equals(whole)).toBe(true);
    }),
    { numRuns: 15 },
  );
});
