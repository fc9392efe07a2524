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

it('cuts where it is told to, also at one place twice and at the start; what is behind the last cut is one more span', () => {
  const bytes = Buffer.from('0123456789');
  fc.assert(
    fc.property(fc.array(fc.nat(12), { maxLength: 6 }), fc.integer({ min: 1, max: 10 }), (unsorted, stepBytes) => {
      const cuts = unsorted.toSorted((one, other) => one - other);
      const digests = new SpanDigests((index) => cuts[index] ?? Infinity);
      for (let at = 0; at < bytes.length; at += stepBytes) digests.write(bytes.subarray(at, at + stepBytes));
      const reached = cuts.filter((cut) => cut <= bytes.length);
      const starts = [0, ...reached];
      const spans = starts
        .map((start, at) => bytes.subarray(start, reached[at]))
        .filter((span, at) => at < reached.length || span.length > 0);
      const expected = Buffer.concat(spans.map((span) => createHash('sha256').update(span).digest()));
      expect(Buffer.from(digests.finish()).equals(expected)).toBe(true);
    }),
  );
});
