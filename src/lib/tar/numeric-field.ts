/**
 * Numbers of a tar header: octal text, or GNU base-256 when the first bit is set. Rules are those of Go's `archive/tar`.
 * A result is a safe integer, NaN when the field is not a number (Go refuses the tar), or ±Infinity when it is an int64 that
 * a JavaScript number can't hold: that one is refused later, and only if the entry really uses it.
 */

const NUL = 0;
const SPACE = 0x20;
const ZERO = 0x30;

/** A numeric field of `length` bytes (at most 12) at `start`. */
export function parseNumeric(bytes: Uint8Array, start: number, length: number): number {
  return bytes[start]! >= 0x80 ? parseBase256(bytes, start, length) : parseOctal(bytes, start, length);
}

/**
 * Octal digits, NULs and spaces around them ignored; empty is 0. What follows a NUL behind the digits is not looked at.
 */
export function parseOctal(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let at = start;
  while (at < end && isBlank(bytes[at]!)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit >= 0 && digit <= 7) value = value * 8 + digit;
    else return bytes[at] === NUL || isBlankUntil(bytes, at, end) ? value : NaN;
  }
  return value;
}

/** Two's complement, big-endian, without the first bit. More than 63 bits are not a number (NaN). */
function parseBase256(bytes: Uint8Array, start: number, length: number): number {
  const isNegative = (bytes[start]! & 0x40) !== 0;
  const inversion = isNegative ? 0xff : 0;
  let value = 0;
  let significantBytes = 0;
  let topByte = 0;
  for (let index = 0; index < length; index++) {
    const byte = (bytes[start + index]! ^ inversion) & (index === 0 ? 0x7f : 0xff);
    if (significantBytes === 0) topByte = byte;
    if (topByte !== 0) significantBytes++;
    value = value * 256 + byte;
  }
  if (significantBytes > 8 || (significantBytes === 8 && topByte >= 0x80)) return NaN;
  const signed = isNegative ? -value - 1 : value;
  if (Number.isSafeInteger(signed)) return signed;
  return isNegative ? -Infinity : Infinity;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === NUL;
}

function isBlankUntil(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isBlank(bytes[at]!)) return false;
  return true;
}
