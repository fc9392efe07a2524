/** RELIABILITY §1.3 row 27: headers of `.clip` files that lie. */
import { describe, expect, it } from 'vitest';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { smallClip } from '../clip/small-clip.ts';
import { expectClipInvalid } from './clip-refused.ts';

const FIELD_OFFSETS = { IndexLength: 10, IndexPos: 18, StorageInfoLength: 26, StorageInfoPos: 34 } as const;
type Field = keyof typeof FIELD_OFFSETS;

const valid = encodeClip(smallClip());

function withField(field: Field, value: bigint): Uint8Array {
  const file = Buffer.from(valid);
  file.writeBigInt64LE(value, FIELD_OFFSETS[field]);
  return file;
}

function fieldOf(field: Field): bigint {
  return Buffer.from(valid).readBigInt64LE(FIELD_OFFSETS[field]);
}

describe('the header of a .clip file', () => {
  const lies: readonly (readonly [Field, bigint])[] = (Object.keys(FIELD_OFFSETS) as Field[]).flatMap((field) =>
    [2n ** 40n, 2n ** 62n, 2n ** 63n - 1n, -1n, -(2n ** 63n), BigInt(valid.byteLength) + 1n].map(
      (value) => [field, value] as const,
    ),
  );

  it.each(lies)('is refused with %s = %s', (field, value) => {
    const error = expectClipInvalid(withField(field, value));
    expect(error.details['field']).toContain('header');
  });

  it.each(['IndexPos', 'StorageInfoPos'] as const)('is refused with %s inside of itself', (field) => {
    for (const position of [0n, 1n, 53n]) expectClipInvalid(withField(field, position));
  });

  it('is refused when index and storage info overlap', () => {
    expect(expectClipInvalid(withField('StorageInfoPos', fieldOf('StorageInfoPos') - 1n)).message).toContain('overlap');
    expectClipInvalid(withField('IndexPos', fieldOf('IndexPos') + 1n));
    expectClipInvalid(withField('StorageInfoPos', 54n));
  });

  it.each(['IndexLength', 'StorageInfoLength'] as const)('is refused with %s one too small or zero', (field) => {
    expectClipInvalid(withField(field, fieldOf(field) - 1n));
    expectClipInvalid(withField(field, 0n));
  });

  it('is refused when it is cut, down to an empty file', () => {
    for (let length = 0; length < 54; length++) expectClipInvalid(valid.subarray(0, length));
  });

  it('is refused with another magic number, version or storage type', () => {
    for (let offset = 0; offset < 10; offset++)
      expectClipInvalid(Buffer.from(valid).fill(valid[offset] === 2 ? 3 : 2, offset, offset + 1));
    for (const type of ['s3', 'ociX', 'OCI', '', 'oci\0x']) {
      const file = Buffer.from(valid).fill(0, 42, 54);
      file.write(type, 42, 'latin1');
      expectClipInvalid(file);
    }
  });
});

describe('positions in the header', () => {
  const { nodes, storageInfo } = smallClip();
  const plain = encodeClip({ nodes, storageInfo });
  const header = Buffer.from(plain.subarray(0, 54));
  const index = plain.subarray(54, 54 + Number(header.readBigInt64LE(10)));
  const storage = plain.subarray(54 + index.byteLength);

  it('may leave gaps, and bytes may follow', () => {
    const moved = Buffer.from(header);
    moved.writeBigInt64LE(54n + 100n, 18);
    moved.writeBigInt64LE(54n + 100n + BigInt(index.byteLength) + 7n, 34);
    const file = Buffer.concat([moved, Buffer.alloc(100, 0xee), index, Buffer.alloc(7), storage, Buffer.from('and more')]);
    expect(decodeClip(file)).toEqual({ nodes, storageInfo });
  });

  it('may put the storage info first', () => {
    const swapped = Buffer.from(header);
    swapped.writeBigInt64LE(54n, 34);
    swapped.writeBigInt64LE(54n + BigInt(storage.byteLength), 18);
    expect(decodeClip(Buffer.concat([swapped, storage, index]))).toEqual({ nodes, storageInfo });
  });
});
