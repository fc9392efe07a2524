/**
 * The wire format of Protocol Buffers (protobuf.dev, "Encoding"), as far as a BlobCache server needs it. The messages are
 * fixed in our source: nothing that a peer sends defines one, and no code is generated.
 */

/** A number of up to 64 bits, or bytes: a string, a nested message. Numbers of fixed width are skipped. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Buffer;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
const MAX_VARINT_BYTES = 10;

/** The fields in order; bytes are views. @throws Error for what is no message */
export function* fieldsOf(message: Buffer): Generator<Field, void, undefined> {
  for (let at = 0; at < message.length;) {
    const tag = varintAt(message, at);
    const number = Number(tag.value >> 3n);
    if (number < 1 || number >= 1 << 29) throw new Error('no field has this number');
    const wire = Number(tag.value & 7n);
    if (wire === VARINT) {
      const { value, end } = varintAt(message, tag.end);
      yield { number, value };
      at = end;
    } else if (wire === LENGTH_DELIMITED) {
      const length = varintAt(message, tag.end);
      const end = length.end + Number(length.value);
      if (end > message.length) throw new Error('a field is longer than its message');
      yield { number, value: message.subarray(length.end, end) };
      at = end;
    } else {
      at = tag.end + widthOf(wire);
      if (at > message.length) throw new Error('a field is longer than its message');
    }
  }
}

function widthOf(wire: number): number {
  if (wire === FIXED64) return 8;
  if (wire === FIXED32) return 4;
  throw new Error('a field of no known kind');
}

function varintAt(message: Buffer, start: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  for (let at = start; at < message.length && at - start < MAX_VARINT_BYTES; at += 1) {
    const byte = message[at]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start));
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + 1 };
  }
  throw new Error('a number that does not end');
}

/** A string; an empty one is left out, as proto3 has it. For short ones. */
export function stringField(number: number, text: string): number[] {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length === 0 ? [] : [...bytesHeader(number, bytes.length), ...bytes];
}

/** A number from 0 to 2^53; 0 is left out. */
export function numberField(number: number, value: number): number[] {
  return value === 0 ? [] : [...varint(number * 8 + VARINT), ...varint(value)];
}

/** What stands before `length` bytes of field `number`. */
export function bytesHeader(number: number, length: number): number[] {
  return [...varint(number * 8 + LENGTH_DELIMITED), ...varint(length)];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) + 0x80);
  return [...bytes, left];
}
