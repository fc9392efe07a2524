/** RELIABILITY §1.3 rows 9 and 13 as far as decoders go: damaged streams end in an error or other bytes, never in a hang. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorCodeOf, type ErrorCode } from '../../src/lib/errors.ts';
import { decodeFailure, decodeLayer, sha256 } from '../compression/decode-layer.ts';
import { compress, isToolSkipped, sampleBytes } from '../compression/tools.ts';
import { buildFrame } from '../compression/zstd/build-frame.ts';

const HANG_MS = 3000;
const CONTENT = sampleBytes(60_000);
/** Padding bits and matches in repeated bytes may be flipped without any effect; other bytes never get past a checksum. */
const REFUSED_OR_HARMLESS = ['LAYER_CORRUPT', 'same bytes'];
const CONTENT_SHA256 = sha256(CONTENT);

type Outcome = ErrorCode | 'same bytes' | 'other bytes' | 'hang';

async function outcomeOf(packed: Uint8Array): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<Outcome>((resolve) => (timer = setTimeout(() => resolve('hang'), HANG_MS)));
  const decoded = decodeLayer(packed, { keepOutput: false, limits: { maxLayerBytes: 2 ** 26 } }).then(
    (one): Outcome => (one.sha256 === CONTENT_SHA256 ? 'same bytes' : 'other bytes'),
    (error: unknown): Outcome => errorCodeOf(error),
  );
  try {
    return await Promise.race([decoded, hang]);
  } finally {
    clearTimeout(timer);
  }
}

function flip(packed: Uint8Array, at: number, bit: number): Buffer {
  const damaged = Buffer.from(packed);
  damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << bit), at);
  return damaged;
}

describe('a flipped bit', () => {
  test('of a gzip layer behind its header never yields other bytes', async () => {
    const packed = gzipSync(CONTENT);
    const positions = fc.tuple(fc.integer({ min: 10, max: packed.length - 1 }), fc.integer({ min: 0, max: 7 }));
    await fc.assert(
      fc.asyncProperty(positions, async ([at, bit]) => {
        expect(REFUSED_OR_HARMLESS).toContain(await outcomeOf(flip(packed, at, bit)));
      }),
      { numRuns: 400 },
    );
  });

  test('of a gzip header is no gzip any more, is refused, or changes nothing that is content', async () => {
    const packed = gzipSync(CONTENT);
    for (let at = 0; at < 10; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const outcome = await outcomeOf(flip(packed, at, bit));
        if (at < 2) expect(outcome).toBe('other bytes');
        else if (at < 4) expect(['LAYER_CORRUPT', 'same bytes']).toContain(outcome);
        else expect(outcome).toBe('same bytes');
      }
    }
  });

  test.skipIf(isToolSkipped('zstd'))('of a zstd layer with checksum never yields other bytes', async () => {
    for (const flags of [['-3'], ['-19', '--long=27']]) {
      const packed = compress('zstd', [...flags, '--check', '-c'], CONTENT);
      const positions = fc.tuple(fc.integer({ min: 9, max: packed.length - 1 }), fc.integer({ min: 0, max: 7 }));
      await fc.assert(
        fc.asyncProperty(positions, async ([at, bit]) => {
          expect(REFUSED_OR_HARMLESS).toContain(await outcomeOf(flip(packed, at, bit)));
        }),
        { numRuns: 300 },
      );
    }
  });

  test.skipIf(isToolSkipped('zstd'))('of a zstd layer without checksum, or of its header, never hangs nor crashes', async () => {
    const packed = compress('zstd', ['-3', '--no-check', '-c'], CONTENT);
    const known = ['LAYER_CORRUPT', 'LIMIT_WINDOW', 'UNSUPPORTED_MEDIA_TYPE', 'same bytes', 'other bytes'];
    for (let at = 0; at < packed.length; at += at < 20 ? 1 : 101) {
      for (let bit = 0; bit < 8; bit++) expect(known).toContain(await outcomeOf(flip(packed, at, bit)));
    }
  });
});

describe('a flipped byte', () => {
  test('in the middle of the data or in the checksum is LAYER_CORRUPT', async () => {
    const packed = gzipSync(CONTENT);
    for (const at of [packed.length >> 1, packed.length - 8, packed.length - 4]) {
      const damaged = Buffer.from(packed);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0xff, at);
      expect(await outcomeOf(damaged)).toBe('LAYER_CORRUPT');
    }
  });
});

describe('garbage', () => {
  test('behind a magic number is LAYER_CORRUPT or a limit', async () => {
    const magics = fc.constantFrom([0x1f, 0x8b], [0x1f, 0x8b, 8, 0], [0x28, 0xb5, 0x2f, 0xfd], [0x28, 0xb5, 0x2f, 0xfd, 0x20]);
    const refusals = ['LAYER_CORRUPT', 'LIMIT_WINDOW', 'LIMIT_RATIO', 'UNSUPPORTED_MEDIA_TYPE'];
    await fc.assert(
      fc.asyncProperty(magics, fc.uint8Array({ minLength: 30, maxLength: 3000, size: 'max' }), async (magic, garbage) => {
        expect(refusals).toContain(await outcomeOf(Buffer.from([...magic, ...garbage])));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a cut', () => {
  test.skipIf(isToolSkipped('zstd') || isToolSkipped('pigz'))('of a real layer is LAYER_CORRUPT wherever it is', async () => {
    const layers = [
      compress('gzip', ['-9'], CONTENT),
      compress('pigz', ['-i', '-b', '128'], CONTENT),
      compress('zstd', ['-19', '--long=27', '-c'], CONTENT),
    ];
    for (const packed of layers) {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 4, max: packed.length - 1 }), async (length) => {
          expect(await outcomeOf(packed.subarray(0, length))).toBe('LAYER_CORRUPT');
        }),
        { numRuns: 150 },
      );
    }
  });
});

describe('a layer whose media type says something else', () => {
  test('is decoded as what it is, and the result says as what', async () => {
    const layers = { zstd: buildFrame({ content: CONTENT }), gzip: gzipSync(CONTENT), none: CONTENT };
    for (const [compression, packed] of Object.entries(layers)) {
      const { result, output } = await decodeLayer(packed);
      expect(result.compression).toBe(compression);
      expect(output.equals(CONTENT)).toBe(true);
    }
  });

  test('may begin with a skippable frame, as a seekable one does', async () => {
    const packed = Buffer.concat([Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]), buildFrame({ content: CONTENT })]);
    expect((await decodeLayer(packed)).output.equals(CONTENT)).toBe(true);
    expect(await decodeFailure(packed.subarray(0, 9))).toBe('LAYER_CORRUPT');
  });
});
