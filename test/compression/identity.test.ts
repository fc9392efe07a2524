import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createIdentity } from '../../src/lib/compression/identity.ts';
import { decodeFailure, decodeLayer } from './decode-layer.ts';

describe('an uncompressed layer', () => {
  test('comes out as it went in, in pieces of at most 1 MiB', async () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 4_000_000 }), pieces, async (length, pieceBytes) => {
        const content = Buffer.alloc(length, 'content of a layer');
        const decoded = await decodeLayer(content, { create: createIdentity, pieceBytes: [...pieceBytes, 300_000] });
        expect(decoded.output.equals(content)).toBe(true);
        expect(decoded.largestPieceBytes).toBeLessThanOrEqual(1024 * 1024);
        expect(decoded.result).toMatchObject({ compression: 'none', compressedBytes: length, uncompressedBytes: length });
        expect(decoded.result.checkpoints).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test('stops at the layer limit', async () => {
    expect(await decodeFailure(Buffer.alloc(1001), { limits: { maxLayerBytes: 1000 } })).toBe('LIMIT_LAYER_SIZE');
    expect(await decodeFailure(Buffer.alloc(1000), { limits: { maxLayerBytes: 1000 } })).toBe(undefined);
  });
});
