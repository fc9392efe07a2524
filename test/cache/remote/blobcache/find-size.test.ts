import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSize, hasSize, type ReadAt } from '../../../../src/lib/cache/remote/blobcache/find-size.ts';
import { errorCodeOf } from '../../../../src/lib/errors.ts';

const TIB = 2 ** 40;
const size = fc.oneof(
  fc.integer({ min: 1, max: TIB }),
  fc.integer({ min: 1, max: 200_000 }),
  fc.integer({ min: 10, max: 39 }).chain((bit) => fc.integer({ min: -1, max: 1 }).map((step) => 2 ** bit + step)),
);

interface CountedReads {
  readonly read: ReadAt;
  readonly count: () => number;
}

/** @param missesEnds a read across the end finds nothing, as it can be where a page ends */
function contentOf(sizeBytes: number, missesEnds = false): CountedReads {
  let reads = 0;
  return {
    read: async (offset, length) => {
      reads += 1;
      const found = Math.max(0, Math.min(length, sizeBytes - offset));
      return missesEnds && found < length ? 0 : found;
    },
    count: () => reads,
  };
}

describe('the size of content that the server does not tell', () => {
  it.each([
    [114, 'are short', false],
    [168, 'find nothing', true],
  ])('is found in at most %i reads where reads across the end %s', async (most, _how, missesEnds) => {
    await fc.assert(
      fc.asyncProperty(size, async (sizeBytes) => {
        const content = contentOf(sizeBytes, missesEnds);
        expect(await findSize(content.read)).toBe(sizeBytes);
        expect(content.count()).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('takes 66 reads for 100 MiB, and 17 to know that it was guessed right', async () => {
    const content = contentOf(100 * 2 ** 20);
    await findSize(content.read);
    expect(content.count()).toBe(66);
    const guessed = contentOf(100 * 2 ** 20);
    expect(await hasSize(guessed.read, 100 * 2 ** 20)).toBe(true);
    expect(guessed.count()).toBe(17);
  });

  it('is none when the first byte is missing, or a hole shows', async () => {
    expect(await findSize(async () => 0)).toBeUndefined();
    const hole: ReadAt = async (offset, length) =>
      offset >= 1024 && offset < 5000 ? 0 : contentOf(10 ** 6).read(offset, length);
    expect(await findSize(hole)).toBeUndefined();
  });

  it('is REMOTE_FAILED of a server that has a byte everywhere', async () => {
    let reads = 0;
    const endless: ReadAt = async (_offset, length) => ((reads += 1), length);
    expect(await findSize(endless).catch(errorCodeOf)).toBe('REMOTE_FAILED');
    expect(reads).toBe(17);
  });
});

describe('a guess of the size', () => {
  it('holds for that size and no other', async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 1000 }), async (sizeBytes, more) => {
        const { read } = contentOf(sizeBytes);
        expect(await hasSize(read, sizeBytes)).toBe(true);
        expect(await hasSize(read, sizeBytes + more)).toBe(false);
        expect(await hasSize(read, Math.max(0, sizeBytes - more))).toBe(false);
      }),
    );
  });

  it('does not hold where one of sixteen pages is missing', async () => {
    const page = 4 << 20;
    for (let lost = 0; lost < 16; lost += 1) {
      const read: ReadAt = async (offset, length) =>
        Math.floor(offset / page) === lost ? 0 : contentOf(16 * page).read(offset, length);
      expect(await hasSize(read, 16 * page), `page ${lost}`).toBe(false);
    }
  });
});
