/**
 * Numbers of Go's `encoding/gob` (its package documentation, "Encoding Details"). Uint: below 128 one byte, else one
 * byte 256 − n and n big-endian bytes. Int: `u << 1`, or `(^u << 1) | 1` for a negative one.
 */
import type { ByteCursor } from '../byte-cursor.ts';
import { MAX_LIST_ELEMENTS } from '../clip-invalid.ts';
import type { ByteWriter } from '../byte-writer.ts';
import { ClipctlError } from '../../errors.ts';

const TWO_32 = 2 ** 32;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
/** Numbers up to here double (and negate) without leaving the safe integers. */
const MAX_SAFE_INT = 2 ** 52 - 1;

/** @throws ClipctlError CLIP_INVALID above 2^53 − 1 */
export function readUint(cursor: ByteCursor): number {
  const first = cursor.takeByte();
  if (first < 128) return first;
  const width = 256 - first;
  if (width <= 6) return cursor.bytes.readUIntBE(cursor.advance(width), width);
  const wide = readWide(cursor, width);
  return wide <= MAX_SAFE ? Number(wide) : cursor.fail('number above 2^53');
}

/** All 64 bits. */
export function readUint64(cursor: ByteCursor): bigint {
  const first = cursor.takeByte();
  if (first < 128) return BigInt(first);
  const width = 256 - first;
  if (width <= 6) return BigInt(cursor.bytes.readUIntBE(cursor.advance(width), width));
  return readWide(cursor, width);
}

function readWide(cursor: ByteCursor, width: number): bigint {
  if (width > 8) return cursor.fail(`a number of ${width} bytes`);
  const start = cursor.advance(width);
  if (width === 8) return cursor.bytes.readBigUInt64BE(start);
  const high = cursor.bytes.readUIntBE(start, 3);
  return BigInt(high) * BigInt(TWO_32) + BigInt(cursor.bytes.readUInt32BE(start + 3));
}

/** @throws ClipctlError CLIP_INVALID outside of ±(2^53 − 1) */
export function readInt(cursor: ByteCursor): number {
  const raw = readUint64Cheaply(cursor);
  if (typeof raw === 'number') return raw % 2 === 0 ? raw / 2 : -(raw - 1) / 2 - 1;
  const value = (raw & 1n) === 0n ? raw >> 1n : -(raw >> 1n) - 1n;
  return value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : cursor.fail('number beyond ±2^53');
}

function readUint64Cheaply(cursor: ByteCursor): number | bigint {
  const next = cursor.bytes[cursor.position];
  return next !== undefined && (next < 128 || next >= 250) ? readUint(cursor) : readUint64(cursor);
}

/** A number of elements of at least one byte each, so never more than bytes are left, and within the limit. */
export function readCount(cursor: ByteCursor): number {
  const count = readUint64Cheaply(cursor);
  if (count > cursor.remaining) cursor.fail(`${count} elements are announced, ${cursor.remaining} bytes are left`);
  if (count > MAX_LIST_ELEMENTS) cursor.fail(`${count} elements are more than ${MAX_LIST_ELEMENTS}`);
  return Number(count);
}

/** A length in bytes, checked against what is left. */
export function readLength(cursor: ByteCursor): number {
  const length = readUint64Cheaply(cursor);
  if (length > cursor.remaining) cursor.fail(`${length} bytes are announced, ${cursor.remaining} are left`);
  return Number(length);
}

/** @throws ClipctlError INTERNAL for what is no safe non-negative integer */
export function writeUint(out: ByteWriter, value: number): void {
  if (value >= 0 && value < 128 && Number.isInteger(value)) return out.byte(value);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new ClipctlError('INTERNAL', `cannot write ${value} as an unsigned number`);
  const width = widthOf(value);
  out.byte(256 - width);
  if (width <= 6) return out.bigEndian(value, width);
  out.bigEndian(Math.floor(value / TWO_32), width - 4);
  out.bigEndian(value % TWO_32, 4);
}

/** Go's uint32. @throws ClipctlError INTERNAL outside of 0..2^32 − 1 */
export function writeUint32(out: ByteWriter, value: number): void {
  if (value >= TWO_32) throw new ClipctlError('INTERNAL', `cannot write ${value} in 32 bits`);
  writeUint(out, value);
}

/** @throws ClipctlError INTERNAL outside of 0..2^64 − 1 */
export function writeUint64(out: ByteWriter, value: bigint): void {
  if (value >= 0n && value <= MAX_SAFE) return writeUint(out, Number(value));
  if (value < 0n || value > MAX_UINT64) throw new ClipctlError('INTERNAL', `cannot write ${value} in 64 bits`);
  if (value >= 1n << 56n) {
    out.byte(256 - 8);
    return out.bigEndian64(value);
  }
  out.byte(256 - 7);
  out.bigEndian(Number(value >> 32n), 3);
  out.bigEndian(Number(value & 0xffffffffn), 4);
}

export function writeInt(out: ByteWriter, value: number): void {
  if (value >= 0 && value <= MAX_SAFE_INT) return writeUint(out, value * 2);
  if (value < 0 && value >= -MAX_SAFE_INT) return writeUint(out, (-value - 1) * 2 + 1);
  if (!Number.isSafeInteger(value)) throw new ClipctlError('INTERNAL', `cannot write ${value} as a number`);
  const wide = BigInt(value);
  writeUint64(out, wide >= 0n ? wide << 1n : ((-wide - 1n) << 1n) | 1n);
}

function widthOf(value: number): number {
  let width = 1;
  for (let limit = 256; value >= limit; limit *= 256) width += 1;
  return width;
}
