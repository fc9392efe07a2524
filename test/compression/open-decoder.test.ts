import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import { decodeFailure, decodeLayer } from './decode-layer.ts';
import { sampleBytes } from './tools.ts';
import { buildFrame } from './zstd/build-frame.ts';

const CONTENT = sampleBytes(5000);
const PACKED = {
  gzip: gzipSync(CONTENT),
  zstd: buildFrame({ content: CONTENT }),
  none: CONTENT,
} as const;

describe('createDecoder', () => {
  test.each(['gzip', 'zstd', 'none'] as const)(
    'tells %s by its first bytes, in whatever pieces they come',
    async (compression) => {
      const pieces = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(pieces, async (pieceBytes) => {
          const { result, output } = await decodeLayer(PACKED[compression], { pieceBytes });
          expect(output.equals(CONTENT)).toBe(true);
          expect(result.compression).toBe(compression);
          expect(result.compressedBytes).toBe(PACKED[compression].length);
          expect(result.uncompressedBytes).toBe(CONTENT.length);
        }),
        { numRuns: 20 },
      );
    },
  );

  test('names the decoder that did the work', async () => {
    expect((await decodeLayer(PACKED.gzip)).result.decoder).toBe('kernel');
    expect((await decodeLayer(PACKED.zstd)).result.decoder).toBe('wasm-zstd');
    expect((await decodeLayer(PACKED.none)).result.decoder).toBe('none');
  });

  test('takes an empty layer for an uncompressed one of 0 bytes', async () => {
    const { result, output } = await decodeLayer(Buffer.alloc(0));
    expect(result).toMatchObject({ compression: 'none', compressedBytes: 0, uncompressedBytes: 0 });
    expect(output.length).toBe(0);
  });

  test('empty writes change nothing', async () => {
    const pieces: Buffer[] = [];
    const decoder = createDecoder({ onOutput: (output) => pieces.push(Buffer.from(output)), limits: DEFAULT_LIMITS });
    for (const byte of PACKED.gzip) {
      await decoder.write(new Uint8Array(0));
      await decoder.write(Uint8Array.of(byte));
    }
    await decoder.finish();
    decoder.close();
    expect(Buffer.concat(pieces).equals(CONTENT)).toBe(true);
  });

  test('passes 1 to 3 bytes through as they are, unless they begin a gzip stream', async () => {
    expect((await decodeLayer(Buffer.from('abc'))).output.toString()).toBe('abc');
    expect((await decodeLayer(Buffer.from([0x1f]))).result.compression).toBe('none');
    expect(await decodeFailure(Buffer.from([0x1f, 0x8b, 0x08]))).toBe('LAYER_CORRUPT');
  });

  test('reads input that lies in shared memory', async () => {
    for (const packed of Object.values(PACKED)) {
      const shared = new Uint8Array(new SharedArrayBuffer(packed.length));
      shared.set(packed);
      const pieces: Buffer[] = [];
      const decoder = createDecoder({ onOutput: (output) => pieces.push(Buffer.from(output)), limits: DEFAULT_LIMITS });
      await decoder.write(shared);
      await decoder.finish();
      decoder.close();
      expect(Buffer.concat(pieces).equals(CONTENT)).toBe(true);
    }
  });

  test.each(['gzip', 'zstd', 'none'] as const)(
    'closed in the middle of %s, it refuses more with ABORTED',
    async (compression) => {
      const decoder = createDecoder({ onOutput: () => undefined, limits: DEFAULT_LIMITS });
      await decoder.write(PACKED[compression].subarray(0, 100));
      decoder.close();
      decoder.close();
      await expect((async () => decoder.write(PACKED[compression].subarray(100)))()).rejects.toMatchObject({ code: 'ABORTED' });
      await expect((async () => decoder.finish())()).rejects.toMatchObject({ code: 'ABORTED' });
    },
  );

  test.each(['gzip', 'zstd', 'none'] as const)('close settles a write of %s that is under way', async (compression) => {
    const decoder = createDecoder({ onOutput: () => undefined, limits: DEFAULT_LIMITS });
    const writing = Promise.allSettled([decoder.write(PACKED[compression])]);
    decoder.close();
    await writing;
    await expect((async () => decoder.finish())()).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('close before any byte is fine', () => {
    const decoder = createDecoder({ onOutput: () => undefined, limits: DEFAULT_LIMITS });
    decoder.close();
    decoder.close();
  });

  test.each(['gzip', 'zstd', 'none'] as const)(
    'what the sink throws comes out of %s as it is, and again after',
    async (compression) => {
      const failure = new RangeError('disk full');
      const decoder = createDecoder({
        limits: DEFAULT_LIMITS,
        onOutput: () => {
          throw failure;
        },
      });
      const run = async (): Promise<void> => {
        await decoder.write(PACKED[compression]);
        await decoder.finish();
      };
      await expect(run()).rejects.toBe(failure);
      await expect((async () => decoder.write(PACKED[compression]))()).rejects.toBe(failure);
      await expect((async () => decoder.finish())()).rejects.toBe(failure);
      decoder.close();
    },
  );
});
