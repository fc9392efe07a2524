import { constants, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { DecodeResult } from '../../src/lib/compression/decoder.ts';
import { firstByteOf } from '../../src/lib/compression/gzip/gunzip-stream.ts';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import type { ResumePoint } from '../../src/lib/compression/resume-point.ts';
import { sha256 } from './decode-layer.ts';
import { mixedBytes } from './gzip/content.ts';

const MIB = 1024 * 1024;
const LARGE = mixedBytes(9 * MIB);
const CASES: readonly (readonly [string, Buffer])[] = [
  ['gzip', gzipSync(LARGE)],
  ['gzip of one endless block', gzipSync(Buffer.alloc(12 * MIB, 'abcdefgh'), { strategy: constants.Z_FIXED, memLevel: 9 })],
  ['gzip of stored blocks', gzipSync(LARGE, { level: 0 })],
  [
    'gzip of many members',
    Buffer.concat(Array.from({ length: 30 }, (_, at) => gzipSync(LARGE.subarray(at * 300_000, (at + 1) * 300_000)))),
  ],
  ['nothing', LARGE],
];

interface Run {
  readonly output: Buffer;
  readonly result: DecodeResult;
  readonly points: readonly ResumePoint[];
  /** Output that had come when each point was told. */
  readonly outputAtPoint: readonly number[];
}

async function decode(packed: Buffer, intervalBytes: number, from?: { whole: Run; at: number }): Promise<Run> {
  const pieces: Buffer[] = [];
  const points: ResumePoint[] = [];
  const outputAtPoint: number[] = [];
  const point = from?.whole.points[from.at];
  const startBytes = point?.uncompressedOffset ?? 0;
  let outputBytes = startBytes;
  const decoder = createDecoder({
    limits: DEFAULT_LIMITS,
    checkpointIntervalBytes: intervalBytes,
    skipChecksum: true,
    onOutput: (output) => {
      outputBytes += output.length;
      pieces.push(Buffer.from(output));
    },
    onResumePoint: (each) => {
      points.push(each);
      outputAtPoint.push(outputBytes);
    },
    ...(from === undefined || point === undefined
      ? {}
      : {
          resume: {
            point,
            earlier: from.whole.result.checkpoints.filter(
              ({ uncompressedOffset }) => uncompressedOffset <= point.uncompressedOffset,
            ),
            readOutput: (start, end) => from.whole.output.subarray(start, end),
          },
        }),
  });
  for (let at = point === undefined ? 0 : firstByteOf(point); at < packed.length; at += 100_000) {
    await decoder.write(packed.subarray(at, at + 100_000));
  }
  const result = await decoder.finish();
  decoder.close();
  return { output: Buffer.concat(pieces), result, points, outputAtPoint };
}

/** vitest compares large arrays slowly. */
const summaryOf = ({ checkpoints, ...rest }: DecodeResult): object => ({
  ...rest,
  checkpoints: checkpoints.map(({ window, ...place }) => ({ ...place, window: sha256(window) })),
});

describe.each(CASES)('a layer of %s', (_name, packed) => {
  it.each([0, MIB])(
    'goes on from every place it tells of as if nothing had happened (checkpoints every %i bytes)',
    async (interval) => {
      const whole = await decode(packed, interval);
      expect(whole.points.length).toBeGreaterThan(5);
      for (let at = 0; at < whole.points.length; at += 3) {
        const resumed = await decode(packed, interval, { whole, at });
        const start = whole.points[at]?.uncompressedOffset ?? 0;
        expect(sha256(resumed.output)).toBe(sha256(whole.output.subarray(start)));
        expect(summaryOf(resumed.result)).toEqual(summaryOf(whole.result));
      }
    },
  );

  it('tells of a place about every 512 KiB of output, after that output', async () => {
    const { points, outputAtPoint } = await decode(packed, 0);
    points.forEach(({ uncompressedOffset }, at) => {
      expect(outputAtPoint[at]).toBeGreaterThanOrEqual(uncompressedOffset);
      expect(uncompressedOffset - (points[at - 1]?.uncompressedOffset ?? 0)).toBeLessThanOrEqual(1.5 * MIB);
    });
  });
});

it('listening changes no checkpoint', async () => {
  const packed = gzipSync(LARGE);
  const deaf = createDecoder({ limits: DEFAULT_LIMITS, checkpointIntervalBytes: MIB, onOutput: () => undefined });
  await deaf.write(packed);
  const result = await deaf.finish();
  deaf.close();
  expect(summaryOf((await decode(packed, MIB)).result)).toEqual(summaryOf(result));
});
