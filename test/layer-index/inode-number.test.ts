import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../src/lib/byte-string.ts';
import { inodeNumbersOf } from '../../src/lib/layer-index/inode-number.ts';

/** FNV-1a-64 as its authors write it down. */
function fnv1a(bytes: string): bigint {
  let state = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(bytes, 'latin1')) state = BigInt.asUintN(64, (state ^ BigInt(byte)) * 0x100000001b3n);
  return state;
}

describe('inodeNumbersOf', () => {
  it('gives the numbers that Go CLIP wrote', () => {
    const inodeOf = inodeNumbersOf('sha256:354a7d067343d124e3ab33795c80d2489015f58fb6176487f60cfa782ced75e8');
    expect(inodeOf('/' as ByteString)).toBe(3504757505829598705n);
    expect(inodeOf('/odd/513' as ByteString)).toBe(15078589440770061370n);
    expect(inodeOf('/odd/raw-\xff\xfe.bin' as ByteString)).toBe(6424372053458030544n);
  });

  it('is FNV-1a-64 of digest and path for any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 80 }).map((view) => Buffer.from(view).toString('latin1'));
    fc.assert(
      fc.property(bytes, bytes, (digest, path) => {
        expect(inodeNumbersOf(digest)(path as ByteString)).toBe(fnv1a(digest + path));
      }),
      { numRuns: 2000 },
    );
  });
});
