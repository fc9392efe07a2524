/** Numbers of the extension section: LEB128, seven bits a byte, low bits first; signed ones zigzag. */
import { ClipctlError } from '../../errors.ts';
import type { ByteCursor } from '../byte-cursor.ts';
import { MAX_LIST_ELEMENTS } from '../clip-invalid.ts';
import type { ByteWriter } from '../byte-writer.ts';

/** 2^63, the largest zigzag, fits ten groups of seven bits. */
const MAX_VARINT_BYTES = 10;
const MAX_UINT64 = 2n ** 64n - 1n;

export function writeVarint(out: ByteWriter, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new ClipctlError('INTERNAL', `cannot write ${value} as an unsigned number`);
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.byte((rest % 128) + 128);
  out.byte(rest);
}

/** @throws ClipctlError CLIP_INVALID above 2^53 − 1 */
export function readVarint(cursor: ByteCursor): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = cursor.takeByte();
    value += (byte % 128) * scale;
    if (value > Number.MAX_SAFE_INTEGER) cursor.fail('number above 2^53');
    if (byte < 128) return value;
    if (scale > Number.MAX_SAFE_INTEGER) cursor.fail('a number of too many bytes');
  }
}

export function writeSignedVarint(out: ByteWriter, value: bigint): void {
  let rest = value >= 0n ? value << 1n : ((-value - 1n) << 1n) | 1n;
  if (rest > MAX_UINT64) throw new ClipctlError('INTERNAL', `cannot write ${value} in 64 bits`);
  for (; rest >= 128n; rest >>= 7n) out.byte(Number(rest & 127n) + 128);
  out.byte(Number(rest));
}

/** @throws ClipctlError CLIP_INVALID beyond 64 bits */
export function readSignedVarint(cursor: ByteCursor): bigint {
  let value = 0n;
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    const byte = cursor.takeByte();
    value |= BigInt(byte % 128) << BigInt(7 * index);
    if (byte >= 128) continue;
    if (value > MAX_UINT64) break;
    return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n;
  }
  return cursor.fail('number beyond 64 bits');
}

/** A number of elements of at least `minBytes` each: never more than fit what is left, and within the limit. */
export function readCount(cursor: ByteCursor, minBytes: number): number {
  const count = readVarint(cursor);
  if (count * minBytes > cursor.remaining) cursor.fail(`${count} elements are announced, ${cursor.remaining} bytes are left`);
  if (count > MAX_LIST_ELEMENTS) cursor.fail(`${count} elements are more than ${MAX_LIST_ELEMENTS}`);
  return count;
}
