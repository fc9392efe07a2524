/**
 * Symbols of one block, one by one: at the end of the input, where a symbol counts only when all its bits are there, and
 * right before an exact output position. A few dozen bytes in each 256 KiB of input come this way.
 */
import { DISTANCE_TABLE, KEPT_MARKS_END, LITLEN_TABLE, STATE_OUT, STATE_POSITION } from './layout';
import { BAD_DISTANCE_CODE, BAD_LITLEN_CODE, BLOCK_ENDED, GO_ON, NEED_INPUT, TOO_FAR_BACK } from './status';
import {
  DISTANCE_ROOT_BITS,
  INVALID,
  KIND_MASK,
  LITERAL,
  LITLEN_ROOT_BITS,
  SPARE_BITS,
  SPECIAL,
  SUBTABLE,
} from './table-entries';

/** Bits of the symbol at hand that are used so far, extra bits included. */
let used: u32 = 0;

/**
 * @param endPosition the bit behind the input
 * @returns GO_ON at the limit, NEED_INPUT, BLOCK_ENDED, or an error; the state is that before the first symbol not done
 */
export function decodeSymbolsCarefully(endPosition: u32, outLimit: usize, windowStart: usize, keptEnd: usize): i32 {
  let out: usize = load<u32>(STATE_OUT);
  while (out < outLimit) {
    const start = load<u32>(STATE_POSITION);
    // At least 57 bits, and a symbol has at most 48.
    const bits = load<u64>(start >> 3) >> (start & 7);
    used = 0;
    const entry = lookUpLitlen(bits);
    const isMatch = (entry & LITERAL) == 0 && !(entry & SPECIAL && (entry & KIND_MASK) != 0);
    const length = isMatch ? matchLength(entry, bits) : 0;
    const far = isMatch ? lookUpDistance(bits) : 0;
    const distance = <i32>far < 0 || !isMatch ? 0 : matchDistance(far, bits);
    if (start + used > endPosition) return NEED_INPUT;
    if (entry & LITERAL) {
      store<u8>(out++, entry >> 16);
    } else if (!isMatch) {
      if ((entry & KIND_MASK) == INVALID) return BAD_LITLEN_CODE;
      store<u32>(STATE_POSITION, start + used);
      return BLOCK_ENDED;
    } else {
      if (<i32>far < 0) return BAD_DISTANCE_CODE;
      if (<usize>distance > out - windowStart) return TOO_FAR_BACK;
      markReach(out - distance, length, keptEnd);
      for (const end = out + length; out < end; out++) store<u8>(out, load<u8>(out - distance));
    }
    store<u32>(STATE_POSITION, start + used);
    store<u32>(STATE_OUT, <u32>out);
  }
  return GO_ON;
}

function markReach(from: usize, length: usize, keptEnd: usize): void {
  if (from < keptEnd) memory.fill(from - keptEnd + KEPT_MARKS_END, 1, min(length, keptEnd - from));
}

function lookUpLitlen(bits: u64): u32 {
  let entry = load<u32>(LITLEN_TABLE + (((<usize>bits) & ((1 << LITLEN_ROOT_BITS) - 1)) << 2));
  if (entry & SPECIAL && !(entry & LITERAL) && (entry & KIND_MASK) == SUBTABLE) {
    used += LITLEN_ROOT_BITS;
    const within = (<u32>(bits >> used)) & ((1 << ((entry >> 8) & 15)) - 1);
    entry = load<u32>(LITLEN_TABLE + ((((entry >> 16) & 0x3fff) + within) << 2));
  }
  used += entry & 63;
  return entry;
}

function matchLength(entry: u32, bits: u64): u32 {
  const base = (entry >> 16) & 511;
  if (!(entry & SPECIAL)) return base;
  const extraAt = used - (entry & 63) + ((entry >> 8) & 15);
  return base + ((<u32>(bits >> extraAt)) & ((entry >> 25) & 31));
}

function lookUpDistance(bits: u64): u64 {
  let far = load<u64>(DISTANCE_TABLE + (((<usize>(bits >> used)) & ((1 << DISTANCE_ROOT_BITS) - 1)) << 3));
  if (<i32>far < 0 && ((<u32>far) & KIND_MASK) == SUBTABLE) {
    used += DISTANCE_ROOT_BITS;
    const within = (<u32>(bits >> used)) & ((1 << (((<u32>far) >> 8) & 15)) - 1);
    far = load<u64>(DISTANCE_TABLE + (((((<u32>far) >> 16) & 0x7fff) + within) << 3));
  }
  used += (<u32>far) & 63;
  return far;
}

function matchDistance(far: u64, bits: u64): u32 {
  const extraAt = used - ((<u32>far) & 63) + (((<u32>far) >> 8) & 31) - SPARE_BITS;
  return ((<u32>far) >> 16) + ((<u32>(bits >> extraAt)) & (<u32>(far >> 32)));
}
