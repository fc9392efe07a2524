import { constants, crc32 as nodeCrc32, deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGunzip } from '../../../src/lib/compression/gzip/kernel-gunzip.ts';
import { createNodeGunzip } from '../../../src/lib/compression/gzip/node-gunzip.ts';
import { DEFAULT_LIMITS } from '../../../src/lib/compression/limits.ts';
import { decodeFailure as decodeFailureOf, decodeLayer as decode, type DecodeSetup } from '../decode-layer.ts';
import { compress, isToolSkipped, sampleBytes } from '../tools.ts';

const CONTENT = sampleBytes(300_000);
const PACKED = gzipSync(CONTENT);

function uint(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

/** A member with every header field of RFC 1952. */
function memberWithAllFields(content: Uint8Array): Buffer {
  const header = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 2, 255]),
    uint(6, 2),
    Buffer.from('AB\x02\x00zz'),
    Buffer.from('name.tar\0a comment\0', 'latin1'),
  ]);
  const headerCrc = uint(nodeCrc32(header) & 0xffff, 2);
  return Buffer.concat([header, headerCrc, deflateRawSync(content), uint(nodeCrc32(content), 4), uint(content.length, 4)]);
}

const DECODERS = [
  ['kernel', createGunzip],
  ['node-zlib', createNodeGunzip],
] as const;

describe.each(DECODERS)('a gzip layer, decoded by %s,', (name, create) => {
  const decodeLayer = (packed: Uint8Array, setup: DecodeSetup = {}) => decode(packed, { create, ...setup });
  const decodeFailure = (packed: Uint8Array, setup: DecodeSetup = {}) => decodeFailureOf(packed, { create, ...setup });

  test('decodes to its content, whatever its level, strategy and pieces', async () => {
    const options = fc.record({
      level: fc.integer({ min: 0, max: 9 }),
      memLevel: fc.integer({ min: 1, max: 9 }),
      strategy: fc.constantFrom(constants.Z_DEFAULT_STRATEGY, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED),
    });
    const contents = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.integer({ min: 0, max: 400_000 }).map((length) => sampleBytes(length)),
    );
    const pieces = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(contents, { minLength: 1, maxLength: 3 }),
        options,
        pieces,
        async (members, gzipOptions, pieceBytes) => {
          const packed = Buffer.concat(members.map((member) => gzipSync(member, gzipOptions)));
          const { output, result } = await decodeLayer(packed, { pieceBytes: [...pieceBytes, 1000] });
          const content = Buffer.concat(members);
          expect(output.equals(content)).toBe(true);
          expect(result.compressedBytes).toBe(packed.length);
          expect(result.uncompressedBytes).toBe(content.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('has the checkpoint at its start', async () => {
    const { result } = await decodeLayer(PACKED);
    expect(result.checkpoints).toEqual([{ compressedOffset: 0, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) }]);
    expect(result.zstdFrames).toEqual([]);
    expect(result.decoder).toBe(name);
  });

  test('may have extra, name, comment and header checksum; a wrong header checksum is refused', async () => {
    const packed = memberWithAllFields(CONTENT);
    expect((await decodeLayer(packed, { pieceBytes: [1, 3, 50_000] })).output.equals(CONTENT)).toBe(true);
    packed[5] = 0xff;
    expect(await decodeFailure(packed)).toBe('LAYER_CORRUPT');
  });

  test('may have empty members at the start, in between and at the end', async () => {
    const empty = gzipSync('');
    const packed = Buffer.concat([empty, gzipSync('ab'), empty, empty, gzipSync('c'), empty]);
    for (const pieceBytes of [[1000], [1], [empty.length]]) {
      expect((await decodeLayer(packed, { pieceBytes })).output.toString()).toBe('abc');
    }
  });

  test('a cut at any byte is refused', async () => {
    const packed = Buffer.concat([gzipSync(sampleBytes(2000)), memberWithAllFields(sampleBytes(300))]);
    const firstBytes = gzipSync(sampleBytes(2000)).length;
    for (let length = 1; length < packed.length; length++) {
      if (length === firstBytes) continue;
      const failure = await decodeFailure(packed.subarray(0, length));
      expect(failure, `cut to ${length} of ${packed.length}`).toBe('LAYER_CORRUPT');
    }
  });

  test('a wrong CRC or length is refused', async () => {
    for (const fromEnd of [1, 4, 5, 8]) {
      const packed = Buffer.from(PACKED);
      packed.writeUInt8(packed.readUInt8(packed.length - fromEnd) ^ 1, packed.length - fromEnd);
      expect(await decodeFailure(packed)).toBe('LAYER_CORRUPT');
    }
  });

  // Go's compress/gzip: a member is followed by a member or by the end; zlib alone would stop at the zero byte.
  test.each([
    ['one zero', [0]],
    ['zero padding', new Array<number>(512).fill(0)],
    ['zeros and then garbage', [0, 0, 1, 2, 3]],
    ['zeros and then a member', [0, ...gzipSync('x')]],
    ['garbage', [1, 2, 3]],
    ['the first byte of a member', [0x1f]],
    ['a cut header', [0x1f, 0x8b, 8]],
  ])('%s behind the last member is refused, in the same write or a later one', async (_name, tail) => {
    const packed = Buffer.concat([PACKED, Buffer.from(tail)]);
    for (const pieceBytes of [[packed.length], [PACKED.length], [PACKED.length - 1], [1000], [packed.length - 1]]) {
      expect(await decodeFailure(packed, { pieceBytes })).toBe('LAYER_CORRUPT');
    }
  });

  test('all output of a write reached the sink when it resolves, in pieces of at most 1 MiB', async () => {
    const content = sampleBytes(1_000_000);
    const packed = gzipSync(Buffer.concat([content, content, content]), { level: 9 });
    let seenBytes = 0;
    let largestBytes = 0;
    const onOutput = (output: Uint8Array): void => {
      seenBytes += output.length;
      largestBytes = Math.max(largestBytes, output.length);
    };
    const decoder = create({ onOutput, limits: DEFAULT_LIMITS });
    await decoder.write(packed);
    expect(seenBytes).toBe(3_000_000);
    expect(largestBytes).toBeLessThanOrEqual(1024 * 1024);
    await decoder.finish();
    decoder.close();
  });

  test.skipIf(isToolSkipped('gzip') || isToolSkipped('pigz'))('made by gzip and pigz, joined in a row, decodes', async () => {
    const parts = [
      compress('gzip', ['-1'], CONTENT),
      compress('gzip', ['-9'], CONTENT),
      compress('pigz', ['-i', '-b', '128'], CONTENT),
      compress('pigz', ['-11', '-b', '128'], CONTENT.subarray(0, 20_000)),
    ];
    const content = Buffer.concat([CONTENT, CONTENT, CONTENT, CONTENT.subarray(0, 20_000)]);
    const { output } = await decodeLayer(Buffer.concat(parts), { pieceBytes: [65_536, 13] });
    expect(output.equals(content)).toBe(true);
  });
});
