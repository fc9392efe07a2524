/** RELIABILITY §1.3 rows 7 and 8: layers that grow, ask for memory or make work out of all proportion. */
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, type DecompressionLimits } from '../../src/lib/compression/limits.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import { errorCodeOf, type ErrorCode } from '../../src/lib/errors.ts';
import { decodeFailure, decodeLayer } from '../compression/decode-layer.ts';
import { buildFrame, buildFrameHeader, buildSkippable } from '../compression/zstd/build-frame.ts';

/**
 * A gzip file that decodes to itself: deflate stored blocks and repeats that print each other, around a header and a
 * trailer whose CRC-32 (a linear equation over GF(2)) is that of the whole file.
 */
const QUINE = Buffer.from(
  'H4sICAAAAAAA/2NsaXAAABQA6/8fiwgIAAAAAAD/Y2xpcAAAFADr/0KIIcQAAAUA+v9CiCHEAAAFAPr/AAUA+v8AFADr/0KIIcQAAAUA' +
    '+v8ABQD6/wAUAOv/QoghxAAAFADr/0KIIcQAABQA6/9CiCHEAAAUAOv/QoghxAAAFADr/0KIIcQAAAAA//8AAAD//wASAO3/QoghxAAA' +
    'AAD//wAAAP//ABIA7f+Ci8BFAAEAAP//yYWVT84AAACCi8BFAAEAAP//yYWVT84AAAA=',
  'base64',
);
const MIB = 1024 * 1024;
/** One member of 32 MiB of zeros; members in a row make the larger bombs. */
const ZEROS_MEMBER = gzipSync(Buffer.alloc(32 * MIB), { level: 9 });

/** Decodes in writes of 256 KiB and tells how it ended and how many bytes the sink was given. */
async function explode(
  bomb: Uint8Array,
  limits: Partial<DecompressionLimits> = {},
): Promise<{ code?: ErrorCode; sinkBytes: number }> {
  let sinkBytes = 0;
  const onOutput = (output: Uint8Array): void => void (sinkBytes += output.length);
  const decoder = createDecoder({ onOutput, limits: { ...DEFAULT_LIMITS, ...limits } });
  try {
    for (let at = 0; at < bomb.length; at += 256 * 1024) await decoder.write(bomb.subarray(at, at + 256 * 1024));
    await decoder.finish();
    return { sinkBytes };
  } catch (error) {
    return { code: errorCodeOf(error), sinkBytes };
  } finally {
    decoder.close();
  }
}

describe('a gzip bomb', () => {
  test('of 1 GiB stops at the layer limit; not a byte above it reaches the sink', { timeout: 10_000 }, async () => {
    const bomb = Buffer.concat(Array.from({ length: 32 }, () => ZEROS_MEMBER));
    const { code, sinkBytes } = await explode(bomb, { maxLayerBytes: 48 * MIB });
    expect(code).toBe('LIMIT_LAYER_SIZE');
    expect(sinkBytes).toBeLessThanOrEqual(48 * MIB);
    expect(sinkBytes).toBeGreaterThan(46 * MIB);
  });

  test('stops at the ratio limit when that comes first', async () => {
    const { code, sinkBytes } = await explode(ZEROS_MEMBER, { maxRatio: 100, ratioAllowanceBytes: MIB });
    expect(code).toBe('LIMIT_RATIO');
    expect(sinkBytes).toBeLessThanOrEqual(ZEROS_MEMBER.length * 100 + MIB);
  });

  test('of 256 MiB that comes in one write never waits in memory', { timeout: 20_000 }, async () => {
    const bomb = Buffer.concat(Array.from({ length: 8 }, () => ZEROS_MEMBER));
    const idleBytes = process.memoryUsage().arrayBuffers;
    let peakBytes = 0;
    const onOutput = (): void => void (peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - idleBytes));
    const decoder = createDecoder({ onOutput, limits: DEFAULT_LIMITS });
    await decoder.write(bomb);
    expect((await decoder.finish()).uncompressedBytes).toBe(256 * MIB);
    decoder.close();
    // Pieces already used and not yet collected are in this figure too.
    expect(peakBytes).toBeLessThan(128 * MIB);
  });

  test('inside gzip is content: one layer of compression is taken off, no more', async () => {
    const nested = gzipSync(gzipSync(ZEROS_MEMBER));
    const { output, result } = await decodeLayer(nested);
    expect(output.equals(gunzipSync(nested))).toBe(true);
    expect(result.uncompressedBytes).toBeLessThan(MIB);
  });

  test('that is a quine decodes to itself, once', async () => {
    expect(gunzipSync(QUINE).equals(QUINE)).toBe(true);
    const { output, result } = await decodeLayer(QUINE, { pieceBytes: [50] });
    expect(output.equals(QUINE)).toBe(true);
    expect(result).toMatchObject({ compressedBytes: QUINE.length, uncompressedBytes: QUINE.length });
  });

  test('of 100,000 empty members decodes to nothing, in time linear in its length', { timeout: 10_000 }, async () => {
    const packed = Buffer.concat(new Array<Buffer>(100_000).fill(gzipSync('')));
    const { result, sha256 } = await decodeLayer(packed);
    expect(result.compressedBytes).toBe(packed.length);
    expect(result.uncompressedBytes).toBe(0);
    expect(sha256).toBe(createHash('sha256').digest('hex'));
  });
});

describe('a zstd bomb', () => {
  test('of RLE blocks stops at the ratio limit and at the layer limit', { timeout: 10_000 }, async () => {
    const bomb = buildFrame({ zeroBlocks: 20_000, windowDescriptor: 0x58 });
    const ratio = await explode(bomb);
    expect(ratio.code).toBe('LIMIT_RATIO');
    expect(ratio.sinkBytes).toBeLessThanOrEqual(bomb.length * DEFAULT_LIMITS.maxRatio + DEFAULT_LIMITS.ratioAllowanceBytes);
    const size = await explode(bomb, { maxLayerBytes: 10 * MIB });
    expect(size.code).toBe('LIMIT_LAYER_SIZE');
    expect(size.sinkBytes).toBeLessThanOrEqual(10 * MIB);
  });

  test('counts for the ratio what was decoded, not what was written', async () => {
    const padding = buildSkippable(Buffer.alloc(200_000));
    const bomb = Buffer.concat([buildFrame({ zeroBlocks: 600, windowDescriptor: 0x58 }), padding]);
    expect((await explode(bomb)).code).toBe('LIMIT_RATIO');
  });

  test.each([
    ['a window of 2 GiB in a frame of 10 bytes', Buffer.concat([buildFrameHeader({ windowDescriptor: 0xa8 }), Buffer.alloc(4)])],
    ['the largest window', buildFrameHeader({ windowDescriptor: 0xff })],
    ['a single segment of 2 GiB', buildFrameHeader({ claimedBytes: 2 ** 31 })],
    ['a single segment of 2^62 bytes', buildFrameHeader({ claimedBytes: 2 ** 62 })],
    [
      'a long window after small frames',
      Buffer.concat([buildFrame({ content: Buffer.from('x') }), buildFrameHeader({ windowDescriptor: 0xa8 })]),
    ],
  ])('with %s is refused with LIMIT_WINDOW and costs no memory', async (_name, bomb) => {
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 20; round++) expect(await decodeFailure(bomb)).toBe('LIMIT_WINDOW');
    expect(process.memoryUsage().rss - before).toBeLessThan(160 * MIB);
  });

  test('of frames with the largest window allowed keeps one window at a time', { timeout: 20_000 }, async () => {
    const frame = buildFrame({ content: Buffer.from('x'), windowDescriptor: (27 - 10) << 3 });
    const small = buildFrame({ content: Buffer.from('y') });
    const before = process.memoryUsage().rss;
    const { result } = await decodeLayer(Buffer.concat(Array.from({ length: 2000 }, () => [frame, small]).flat()));
    expect(result.uncompressedBytes).toBe(4000);
    expect(process.memoryUsage().rss - before).toBeLessThan(160 * MIB);
  });

  test('of a million skippable frames is refused, one of 65,536 of them is not', { timeout: 10_000 }, async () => {
    const skippable = buildSkippable(Buffer.alloc(0));
    expect(await decodeFailure(Buffer.alloc(1_000_000 * skippable.length, skippable))).toBe('LIMIT_FRAMES');
    expect(await decodeFailure(Buffer.alloc(65_537 * skippable.length, skippable))).toBe('LIMIT_FRAMES');
    const { result } = await decodeLayer(Buffer.alloc(65_536 * skippable.length, skippable));
    expect(result).toMatchObject({ compression: 'zstd', compressedBytes: 65_536 * skippable.length, uncompressedBytes: 0 });
    expect(result.zstdFrames).toEqual([]);
  });

  test('of 600,000 empty frames makes a bounded list', { timeout: 20_000 }, async () => {
    const frame = buildFrame({ windowDescriptor: 0 });
    const { result } = await decodeLayer(Buffer.alloc(frame.length * 600_000, frame));
    expect(result.uncompressedBytes).toBe(0);
    expect(result.zstdFrames.length).toBeLessThanOrEqual(262_144);
    expect(result.zstdFrames.length).toBeGreaterThan(100_000);
  });

  test('that skips 4 GiB which are not there is a cut layer', async () => {
    const header = buildSkippable(Buffer.alloc(0));
    header.writeUInt32LE(0xffffffff, 4);
    expect(await decodeFailure(Buffer.concat([header, Buffer.alloc(1000)]))).toBe('LAYER_CORRUPT');
  });
});
