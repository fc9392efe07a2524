import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createZstdDecoder } from '../../../src/lib/compression/zstd/zstd-decoder.ts';
import { decodeFailure, decodeLayer, sha256 } from '../decode-layer.ts';
import { compress, isToolSkipped, sampleBytes } from '../tools.ts';
import { buildFrame, buildFrameHeader, buildSkippable } from './build-frame.ts';

const CONTENT = sampleBytes(700_000);

describe('a zstd layer', () => {
  test('of any frames, written in any pieces, decodes, and its frames are told exactly', async () => {
    const content = fc.integer({ min: 0, max: 300_000 }).map((length) => sampleBytes(length, length));
    const part = fc.oneof(
      fc.record({ content, windowDescriptor: fc.constantFrom(undefined, 0x38, 0x50) }),
      fc.record({ skippable: fc.uint8Array({ maxLength: 400 }), variant: fc.integer({ min: 0, max: 15 }) }),
    );
    const pieces = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), pieces, async (parts, pieceBytes) => {
        const expectedFrames = [];
        const packed: Buffer[] = [];
        const contents: Buffer[] = [];
        let [compressedOffset, uncompressedOffset] = [0, 0];
        for (const one of parts) {
          const { content: frameContent, windowDescriptor } = 'content' in one ? one : { content: Buffer.alloc(0) };
          const bytes =
            'content' in one
              ? buildFrame({ content: frameContent, ...(windowDescriptor === undefined ? {} : { windowDescriptor }) })
              : buildSkippable(one.skippable, one.variant);
          if ('content' in one) {
            const sizes = { compressedBytes: bytes.length, uncompressedBytes: frameContent.length };
            expectedFrames.push({ compressedOffset, uncompressedOffset, ...sizes });
            contents.push(frameContent);
            uncompressedOffset += frameContent.length;
          }
          packed.push(bytes);
          compressedOffset += bytes.length;
        }
        const { output, result } = await decodeLayer(Buffer.concat(packed), {
          create: createZstdDecoder,
          pieceBytes: [...pieceBytes, 997],
        });
        expect(output.equals(Buffer.concat(contents))).toBe(true);
        expect(result.zstdFrames).toEqual(expectedFrames);
        expect(result.compressedBytes).toBe(compressedOffset);
        expect(result.uncompressedBytes).toBe(uncompressedOffset);
        expect(result.checkpoints).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('each of its frames decodes on its own to its slice of the content', async () => {
    const packed = Buffer.concat([
      buildFrame({ content: CONTENT.subarray(0, 1000) }),
      buildSkippable(Buffer.from('a manifest')),
      buildFrame({ content: CONTENT.subarray(1000, 1000) }),
      buildFrame({ content: CONTENT.subarray(1000), windowDescriptor: 0x50 }),
    ]);
    const { result } = await decodeLayer(packed);
    expect(result.zstdFrames.map((frame) => frame.uncompressedBytes)).toEqual([1000, 0, CONTENT.length - 1000]);
    for (const { compressedOffset, compressedBytes, uncompressedOffset, uncompressedBytes } of result.zstdFrames) {
      const { output } = await decodeLayer(packed.subarray(compressedOffset, compressedOffset + compressedBytes));
      expect(output.equals(CONTENT.subarray(uncompressedOffset, uncompressedOffset + uncompressedBytes))).toBe(true);
    }
  });

  test('comes out in pieces of at most 1 MiB', async () => {
    const { largestPieceBytes } = await decodeLayer(buildFrame({ content: Buffer.alloc(3_000_000) }), {
      pieceBytes: [4_000_000],
    });
    expect(largestPieceBytes).toBeLessThanOrEqual(1024 * 1024);
  });

  test('that is cut anywhere is refused, but between frames', async () => {
    const first = buildFrame({ content: sampleBytes(300), windowDescriptor: 0x38 });
    const skippable = buildSkippable(sampleBytes(20));
    const packed = Buffer.concat([first, skippable, buildFrame({ content: sampleBytes(300) })]);
    const ends = [first.length, first.length + skippable.length];
    for (let length = 1; length < packed.length; length++) {
      const expected = ends.includes(length) ? undefined : 'LAYER_CORRUPT';
      const cutLayer = packed.subarray(0, length);
      expect(await decodeFailure(cutLayer, { create: createZstdDecoder }), `cut to ${length}`).toBe(expected);
    }
  });

  test.each([
    ['zeros', Buffer.alloc(100)],
    ['one byte', Buffer.from([1])],
    ['a gzip member', Buffer.from([0x1f, 0x8b, 8, 0, 0])],
    ['half a magic number', Buffer.from([0x28, 0xb5])],
  ])('followed by %s is refused', async (_name, tail) => {
    expect(await decodeFailure(Buffer.concat([buildFrame({ content: CONTENT }), tail]))).toBe('LAYER_CORRUPT');
  });

  test('that needs a dictionary is refused as unsupported; dictionary id 0 is none', async () => {
    const refused = buildFrame({ content: CONTENT, dictionaryId: 7 });
    expect(await decodeFailure(refused)).toBe('UNSUPPORTED_MEDIA_TYPE');
    const accepted = buildFrame({ content: CONTENT, dictionaryId: 0 });
    expect((await decodeLayer(accepted)).output.equals(CONTENT)).toBe(true);
  });

  test('whose header lies about the content size is refused', async () => {
    for (const claimedBytes of [CONTENT.length - 1, CONTENT.length + 1]) {
      expect(await decodeFailure(buildFrame({ content: CONTENT, claimedBytes }))).toBe('LAYER_CORRUPT');
    }
  });

  test('with a window above the limit is refused before it is decoded, at the limit it is not', async () => {
    const atLimit = buildFrame({ content: CONTENT, windowDescriptor: (27 - 10) << 3 });
    expect((await decodeLayer(atLimit)).output.equals(CONTENT)).toBe(true);
    const above = buildFrameHeader({ windowDescriptor: ((27 - 10) << 3) | 1 });
    expect(await decodeFailure(above)).toBe('LIMIT_WINDOW');
    expect(await decodeFailure(above, { limits: { maxZstdWindowLog: 31 } })).toBe('LIMIT_WINDOW');
    expect(
      await decodeFailure(buildFrame({ content: CONTENT, windowDescriptor: 0x50 }), { limits: { maxZstdWindowLog: 19 } }),
    ).toBe('LIMIT_WINDOW');
  });

  test('after one that failed or needed a long window decodes as if nothing had been', async () => {
    const bad = buildFrame({ content: CONTENT });
    bad.writeUIntLE(0xffffff, 13, 3);
    expect(await decodeFailure(bad)).toBe('LAYER_CORRUPT');
    expect((await decodeLayer(buildFrame({ content: CONTENT, windowDescriptor: 0x88 }))).output.equals(CONTENT)).toBe(true);
    expect((await decodeLayer(buildFrame({ content: CONTENT }))).output.equals(CONTENT)).toBe(true);
  });

  test('decodes beside others in the same thread', async () => {
    const packed = [1, 2, 3, 4].map((seed) => sampleBytes(400_000, seed));
    const decoded = await Promise.all(packed.map((content) => decodeLayer(buildFrame({ content }), { pieceBytes: [10_007] })));
    expect(decoded.map(({ output }, index) => packed[index]?.equals(output))).toEqual([true, true, true, true]);
  });
});

describe.skipIf(isToolSkipped('zstd'))('what the zstd command makes', () => {
  const flags = fc.constantFrom(
    ['-1'],
    ['-3', '--no-check'],
    ['-19'],
    ['-19', '--long=27'],
    ['--ultra', '-22'],
    ['--fast=5'],
    ['-3', '-T2', '-B100000'],
  );

  test('decodes, several in a row and in any pieces', async () => {
    const contents = fc.array(fc.tuple(fc.integer({ min: 0, max: 400_000 }), flags), { minLength: 1, maxLength: 3 });
    const pieces = fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(contents, pieces, async (parts, pieceBytes) => {
        const inputs = parts.map(([length], index) => sampleBytes(length, index + length));
        const packed = parts.map(([, toolFlags], index) =>
          compress('zstd', [...toolFlags, '-c'], inputs[index] ?? Buffer.alloc(0)),
        );
        const { output, result } = await decodeLayer(Buffer.concat(packed), { pieceBytes: [...pieceBytes, 1009] });
        expect(output.equals(Buffer.concat(inputs))).toBe(true);
        expect(result.zstdFrames.map((frame) => frame.compressedBytes)).toEqual(packed.map(({ length }) => length));
        expect(result.zstdFrames.map((frame) => frame.uncompressedBytes)).toEqual(inputs.map(({ length }) => length));
      }),
      { numRuns: 12 },
    );
  });

  test('with -19 --long=27 decodes where it repeats what stands 101 MiB before', { timeout: 60_000 }, async () => {
    const noise = createHash('shake256', { outputLength: 1024 * 1024 })
      .update('noise')
      .digest();
    const content = Buffer.concat([noise, Buffer.alloc(100 * 1024 * 1024), noise]);
    const packed = compress('zstd', ['-19', '--long=27', '-c'], content);
    expect(packed.length).toBeLessThan(1.5 * noise.length);
    const decoded = await decodeLayer(packed, { pieceBytes: [100_003], keepOutput: false });
    expect(decoded.sha256).toBe(sha256(content));
    expect(decoded.result.uncompressedBytes).toBe(content.length);
  });

  test('with a wrong content checksum is refused', async () => {
    const packed = compress('zstd', ['-3', '--check', '-c'], CONTENT);
    packed.writeUInt8(packed.readUInt8(packed.length - 1) ^ 0x80, packed.length - 1);
    expect(await decodeFailure(packed)).toBe('LAYER_CORRUPT');
  });

  test('with --long=31 is refused for its window', async () => {
    expect(await decodeFailure(compress('zstd', ['-3', '--long=31', '-c'], CONTENT))).toBe('LIMIT_WINDOW');
  });
});
