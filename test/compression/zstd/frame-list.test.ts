import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ZstdFrame } from '../../../src/lib/compression/decoder.ts';
import { FrameList } from '../../../src/lib/compression/zstd/frame-list.ts';

/** Frames of the given sizes in a row, each followed by `gapBytes` of skippable frames. */
function framesOf(sizes: readonly number[], gapBytes = 0): ZstdFrame[] {
  let compressedOffset = 0;
  let uncompressedOffset = 0;
  return sizes.map((bytes) => {
    const frame = { compressedOffset, compressedBytes: bytes, uncompressedOffset, uncompressedBytes: bytes * 3 };
    compressedOffset += bytes + gapBytes;
    uncompressedOffset += bytes * 3;
    return frame;
  });
}

describe('FrameList', () => {
  test('keeps every frame apart while there is room', () => {
    const frames = framesOf([10, 20, 30, 40]);
    const list = new FrameList(4);
    frames.forEach((frame) => list.add(frame));
    expect(list.frames).toEqual(frames);
  });

  test('joins neighbours when it is full: bounded, contiguous, every start is the start of a frame', () => {
    const sizes = fc.array(fc.integer({ min: 9, max: 50 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 2, max: 9 }), fc.constantFrom(0, 8), (frameSizes, maxFrames, gapBytes) => {
        const frames = framesOf(frameSizes, gapBytes);
        const list = new FrameList(maxFrames);
        frames.forEach((frame) => list.add(frame));
        expect(list.frames.length).toBeLessThanOrEqual(maxFrames);
        expect(list.frames.length).toBeGreaterThanOrEqual(Math.min(frames.length, Math.floor(maxFrames / 2)));
        const starts = new Set(frames.map((frame) => `${frame.compressedOffset}/${frame.uncompressedOffset}`));
        list.frames.forEach((run, index) => {
          expect(starts).toContain(`${run.compressedOffset}/${run.uncompressedOffset}`);
          const next = list.frames[index + 1] ?? { compressedOffset: Infinity, uncompressedOffset: Infinity };
          if (next.compressedOffset === Infinity) return;
          expect(run.compressedOffset + run.compressedBytes + gapBytes).toBe(next.compressedOffset);
          expect(run.uncompressedOffset + run.uncompressedBytes).toBe(next.uncompressedOffset);
        });
        const [lastRun, lastFrame] = [list.frames.at(-1), frames.at(-1)];
        expect((lastRun?.compressedOffset ?? 0) + (lastRun?.compressedBytes ?? 0)).toBe(
          (lastFrame?.compressedOffset ?? 0) + (lastFrame?.compressedBytes ?? 0),
        );
        expect(list.frames[0]?.compressedOffset).toBe(0);
      }),
    );
  });
});
