/** Tars by hand, byte for byte: what no well-behaved writer would write. */
import { BLOCK_BYTES, paddingAfter } from '../../src/lib/tar/block.ts';

/** A header field: text is put there as it is, bytes too; a number as octal digits with a NUL. */
export type FieldValue = string | number | Buffer;

export type HeaderFields = Partial<Record<HeaderField, FieldValue>>;

/** [start, length] of the fields, all formats together. */
export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
  gnuAtime: [345, 12],
  gnuCtime: [357, 12],
  gnuSparse: [386, 96],
  gnuExtended: [482, 1],
  gnuRealSize: [483, 12],
  starAtime: [476, 12],
  starCtime: [488, 12],
  starTrailer: [508, 4],
} as const satisfies Record<string, readonly [number, number]>;

export type HeaderField = keyof typeof FIELDS;

export const MAGIC = { ustar: 'ustar\x0000', gnu: 'ustar  \0', v7: '\0\0\0\0\0\0\0\0' } as const;

/** A header block with a right checksum (unless `checksum` is given). */
export function headerBlock(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const defaults: HeaderFields = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 1_700_000_000, type: '0', magic: MAGIC.ustar };
  for (const [field, value] of Object.entries({ ...defaults, ...fields })) setField(block, field as HeaderField, value);
  if (fields.checksum === undefined) fixChecksum(block);
  return block;
}

/** Overwrites one field of a header block; the checksum stays as it is. */
export function setField(block: Buffer, field: HeaderField, value: FieldValue): void {
  const [start, length] = FIELDS[field];
  block.fill(0, start, start + length);
  fieldBytes(value, length).copy(block, start, 0, length);
}

function fieldBytes(value: FieldValue, length: number): Buffer {
  if (typeof value === 'number') return Buffer.from(`${value.toString(8).padStart(length - 1, '0')}\0`, 'latin1');
  return typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
}

/** Writes the checksum; `signed` sums bytes as old Sun tars did. */
export function fixChecksum(block: Buffer, signed = false): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block.subarray(0, BLOCK_BYTES)) sum += signed && byte >= 0x80 ? byte - 256 : byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** A two's complement base-256 field of `length` bytes. */
export function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = value;
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

/** Content padded to a block border. */
export function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(paddingAfter(content.length))]);
}

/** Header and content; the size field says the content's length unless `fields.size` says otherwise. */
export function member(fields: HeaderFields, content: Buffer | string = ''): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  return Buffer.concat([headerBlock({ size: bytes.length, ...fields }), padded(bytes)]);
}

/** One PAX record with the length it must have. */
export function paxRecord(key: string, value: string): string {
  const bare = ` ${key}=${value}\n`;
  let length = bare.length + 1;
  while (String(length).length + bare.length !== length) length = String(length).length + bare.length;
  return `${length}${bare}`;
}

/** A PAX header (type `x`, or `g`) of these records. */
export function paxMember(records: readonly (readonly [string, string])[], type = 'x'): Buffer {
  return member({ name: 'PaxHeaders/x', type }, records.map(([key, value]) => paxRecord(key, value)).join(''));
}

/** A GNU long name (`L`) or long link (`K`). */
export function longMember(type: 'L' | 'K', text: string): Buffer {
  return member({ name: '././@LongLink', type, magic: MAGIC.gnu }, `${text}\0`);
}

/** Two zero blocks. */
export const END = Buffer.alloc(2 * BLOCK_BYTES);

/** Sparse regions as old GNU tables have them. */
export function sparseTable(regions: readonly (readonly [number, number])[]): Buffer {
  return Buffer.from(
    regions
      .flat()
      .map((value) => `${value.toString(8).padStart(11, '0')}\0`)
      .join(''),
    'latin1',
  );
}

/** An extension block of an old GNU sparse map. */
export function sparseExtension(regions: readonly (readonly [number, number])[], isExtended = false): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  sparseTable(regions).copy(block);
  block[504] = isExtended ? 1 : 0;
  return block;
}

/** An ordinary member, to show that what comes after an odd one is still found. */
export const AFTER = member({ name: 'after' }, 'after');
