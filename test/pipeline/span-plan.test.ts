import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Checkpoint } from '../../src/lib/compression/decoder.ts';
import { planRuns, type LayerMap } from '../../src/lib/pipeline/span-plan.ts';

const WINDOW = new Uint8Array(1);

/** Checkpoints with growing offsets, bits anywhere. */
const gzipMaps = fc
  .array(
    fc.record({
      compressed: fc.integer({ min: 2, max: 300 }),
      plain: fc.integer({ min: 1, max: 900 }),
      bit: fc.integer({ min: 0, max: 7 }),
    }),
    { maxLength: 40 },
  )
  .map((steps): LayerMap => {
    const checkpoints: Checkpoint[] = [{ compressedOffset: 0, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) }];
    let compressedOffset = 0;
    let uncompressedOffset = 0;
    for (const { compressed, plain, bit } of steps) {
      compressedOffset += compressed;
      uncompressedOffset += plain;
      checkpoints.push({ compressedOffset, bit, uncompressedOffset, window: WINDOW });
    }
    return {
      compression: 'gzip',
      compressedBytes: compressedOffset + 50,
      uncompressedBytes: uncompressedOffset + 100,
      checkpoints,
      zstdFrames: [],
    };
  });

it('covers every byte of the layer once, in order, whatever the checkpoints', () => {
  fc.assert(
    fc.property(gzipMaps, fc.integer({ min: 1, max: 1000 }), (map, runBytes) => {
      const runs = planRuns(map, runBytes);
      expect(runs[0]?.compressedStart).toBe(0);
      expect(runs.at(-1)).toMatchObject({ compressedEnd: map.compressedBytes, uncompressedEnd: map.uncompressedBytes });
      runs.forEach((run, at) => {
        const next = runs[at + 1];
        if (next === undefined) return;
        expect(run.uncompressedEnd).toBe(next.uncompressedStart);
        // The byte that a checkpoint lies inside of belongs to both runs.
        expect(run.compressedEnd - next.compressedStart).toBe(next.checkpoint?.bit === 0 ? 0 : 1);
        expect(next.compressedStart - run.compressedStart).toBeGreaterThanOrEqual(runBytes);
      });
    }),
  );
});

it('cuts a plain layer anywhere, and a zstd layer between frames only', () => {
  const none = { compression: 'none', compressedBytes: 100, uncompressedBytes: 100, checkpoints: [], zstdFrames: [] } as const;
  expect(planRuns(none, 40).map((run) => [run.compressedStart, run.compressedEnd])).toEqual([
    [0, 40],
    [40, 80],
    [80, 100],
  ]);
  const frame = (at: number): LayerMap['zstdFrames'][number] => ({
    compressedOffset: at * 10,
    compressedBytes: 10,
    uncompressedOffset: at * 70,
    uncompressedBytes: 70,
  });
  const zstd: LayerMap = {
    compression: 'zstd',
    compressedBytes: 60,
    uncompressedBytes: 420,
    checkpoints: [],
    zstdFrames: [0, 1, 2, 3, 4, 5].map(frame),
  };
  expect(planRuns(zstd, 25).map((run) => run.compressedStart)).toEqual([0, 30]);
  expect(planRuns({ ...zstd, zstdFrames: [frame(0)] }, 25)).toHaveLength(1);
});
