/**
 * The entries of the decoding tables.
 *
 * Literal/length, 4 bytes; adding `codeLength * ONE_CODE_BIT` to a symbol's entry makes it a table entry:
 *   bits 0-5    bits to drop, extra bits included: V8 shifts by the low 6 bits, so a whole entry is a shift count
 *   bits 8-13   length of the code alone, again at a place from where a shift can use it unmasked
 *   bits 14-15  kind, when `SPECIAL`
 *   bits 16-23  the literal; 16-24 the match length or its base
 *   bits 25-29  mask of the extra bits, when `SPECIAL` and of kind `EXTRA_BITS`
 *   bit  30     SPECIAL: anything but a literal or a complete match length
 *   bit  31     a literal
 *
 * Distance, 8 bytes: the same low word with the base in bits 16-30 and SPECIAL in bit 31, and with bits 8-13 larger by
 * SPARE_BITS, so that they are where the extra bits start in the bit buffer; the high word is the mask of the extra bits.
 */
/**
 * The bit buffer of the fast loop has so many used bits below the next one: what stands there, masked, is the byte offset
 * of an entry of 4 bytes. A shift less between two look-ups, each of which waits for the one before: -6 % lib, -8 % small.
 */
export const SPARE_BITS: u32 = 2;

export const ONE_CODE_BIT: u32 = 0x101;
export const LITERAL: u32 = 0x80000000;
export const SPECIAL: u32 = 0x40000000;
export const SPECIAL_DISTANCE: u32 = 0x80000000;

export const KIND_MASK: u32 = 0xc000;
export const EXTRA_BITS: u32 = 0x0000;
/** Drop the root bits and look the next ones up in a subtable: index in bits 16-29, its width in bits 8-11. */
export const SUBTABLE: u32 = 0x4000;
export const END_OF_BLOCK: u32 = 0x8000;
export const INVALID: u32 = 0xc000;

/** With 10 or 12 bits the kernel measured no faster. */
export const LITLEN_ROOT_BITS: u32 = 11;
/** With 8 or 10 bits no faster either. */
export const DISTANCE_ROOT_BITS: u32 = 9;
export const PRECODE_ROOT_BITS: u32 = 7;

export const LITLEN_CODES: u32 = 288;
export const DISTANCE_CODES: u32 = 32;
export const PRECODE_CODES: u32 = 19;

/** Entry of a literal/length symbol (RFC 1951 §3.2.5), without the length of its code. */
export function litlenSymbol(symbol: u32): u32 {
  if (symbol < 256) return LITERAL | (symbol << 16);
  if (symbol == 256) return SPECIAL | END_OF_BLOCK;
  if (symbol > 285) return SPECIAL | INVALID;
  if (symbol == 285) return 258 << 16;
  const index = symbol - 257;
  const extra: u32 = index < 8 ? 0 : (index >> 2) - 1;
  const base: u32 = index < 8 ? index + 3 : ((4 + (index & 3)) << extra) + 3;
  if (extra == 0) return base << 16;
  return SPECIAL | EXTRA_BITS | (((1 << extra) - 1) << 25) | (base << 16) | extra;
}

/** Entry of a distance symbol (RFC 1951 §3.2.5), without the length of its code. */
export function distanceSymbol(symbol: u32): u64 {
  if (symbol > 29) return SPECIAL_DISTANCE | INVALID;
  const extra: u32 = symbol < 4 ? 0 : (symbol >> 1) - 1;
  const base: u32 = symbol < 4 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1;
  return (((1 << (<u64>extra)) - 1) << 32) | (base << 16) | (SPARE_BITS << 8) | extra;
}
