/**
 * The loop in which nearly all time is spent: symbols of one block (RFC 1951 §3.2.3), as long as 16 bytes of input are
 * left and `out` is short of its limit. It is a function of its own, without calls, so that V8 keeps every variable
 * in a register.
 *
 * The bit buffer holds the next bits, `count` of them (of which only the low 6 bits are kept right: what stands above
 * is left over from subtracting whole table entries). A refill has no branch: it ORs 8 bytes in above the bits
 * that are there, steps on by the whole bytes of them that fit, and 56 to 63 bits are there. The lowest SPARE_BITS of them
 * are used ones, which makes 54 to 61 valid.
 * Per refill there are up to three literals (≤ 11 bits each by way of the root table), or two and a length
 * (22 + 20 bits), a second refill, and a distance (≤ 28 bits).
 *
 * Tried without gain: a fourth literal, 64-bit entries, two literals in one entry (its tables cost more than it saves).
 */
import {
  DISTANCE_TABLE,
  KEPT_MARKS_END,
  LITLEN_TABLE,
  LOOP_KEPT_END,
  LOOP_NOTED_END,
  LOOP_WINDOW_START,
  REPEAT_PATTERNS,
  STATE_OUT,
  STATE_POSITION,
} from './layout';
import { BAD_DISTANCE_CODE, BAD_LITLEN_CODE, BLOCK_ENDED, GO_ON, TOO_FAR_BACK } from './status';
import { DISTANCE_ROOT_BITS, INVALID, KIND_MASK, LITLEN_ROOT_BITS, SPARE_BITS, SPECIAL, SUBTABLE } from './table-entries';

const LITLEN_MASK: usize = ((1 << LITLEN_ROOT_BITS) - 1) << SPARE_BITS;
const DISTANCE_MASK: usize = ((1 << DISTANCE_ROOT_BITS) - 1) << SPARE_BITS;

/** The loop must not start with less input left: two loads of 8 bytes, the second up to 7 bytes on. */
export const FAST_INPUT_BYTES: usize = 16;
/** How far `out` can get beyond its limit: two literals and a match of 258 bytes. */
export const FAST_OVERSHOOT_BYTES: usize = 260;

/**
 * @param inLimit the last address to read 16 bytes from
 * @param windowStart the first byte that a match may reach
 * @param keptEnd the byte behind the window in which to mark what matches reach, or any address before `windowStart`
 * @returns GO_ON at one of the limits, BLOCK_ENDED, or an error; position and `out` are in the state
 */
export function decodeSymbolsFast(inLimit: usize, outLimit: usize, windowStart: usize, keptEnd: usize): i32 {
  const start = load<u32>(STATE_POSITION);
  let next: usize = start >> 3;
  let out: usize = load<u32>(STATE_OUT);
  let bits: u64 = (load<u64>(next) >> (start & 7)) << SPARE_BITS;
  let count: u64 = 56 + SPARE_BITS - (start & 7);
  next += 7;
  let entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);
  let status: i32 = GO_ON;
  store<u32>(LOOP_WINDOW_START, <u32>windowStart);
  store<u32>(LOOP_KEPT_END, <u32>keptEnd);
  store<u32>(LOOP_NOTED_END, <u32>max(windowStart, keptEnd));
  do {
    bits |= load<u64>(next) << count;
    next += <usize>((~count >> 3) & 7);
    count |= 56;
    if (<i32>entry < 0) {
      store<u8>(out++, entry >> 16);
      bits >>= entry;
      count -= entry;
      entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);
      if (<i32>entry < 0) {
        store<u8>(out++, entry >> 16);
        bits >>= entry;
        count -= entry;
        entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);
        if (<i32>entry < 0) {
          store<u8>(out++, entry >> 16);
          bits >>= entry;
          count -= entry;
          entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);
          continue;
        }
      }
    }
    let length: usize = entry >> 16;
    if (entry & SPECIAL) {
      if ((entry & KIND_MASK) == SUBTABLE) {
        bits >>= entry;
        count -= entry;
        const within = (<u32>(bits >> SPARE_BITS)) & ((1 << ((entry >> 8) & 15)) - 1);
        entry = load<u32>((((entry >> 16) & 0x3fff) + within) << 2, LITLEN_TABLE);
        if (<i32>entry < 0) {
          store<u8>(out++, entry >> 16);
          bits >>= entry;
          count -= entry;
          entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);
          continue;
        }
      }
      if (entry & SPECIAL && (entry & KIND_MASK) != 0) {
        if ((entry & KIND_MASK) == INVALID) {
          status = BAD_LITLEN_CODE;
          break;
        }
        bits >>= entry;
        count -= entry;
        status = BLOCK_ENDED;
        break;
      }
      length = ((entry >> 16) & 511) + ((<u32>((bits >> (entry >> 8)) >> SPARE_BITS)) & ((entry >> 25) & 31));
    }
    bits >>= entry;
    count -= entry;

    // At least 12 bits are left, enough for the root: the look-up needn't wait for the refill (+4 % lib, +9 % small).
    let far = load<u64>(((<usize>bits) & DISTANCE_MASK) << 1, DISTANCE_TABLE);
    bits |= load<u64>(next) << count;
    next += <usize>((~count >> 3) & 7);
    count |= 56;
    if (<i32>far < 0) {
      if (((<u32>far) & KIND_MASK) == SUBTABLE) {
        bits >>= far;
        count -= far;
        const within = (<u32>(bits >> SPARE_BITS)) & ((1 << (((<u32>far) >> 8) & 15)) - 1);
        far = load<u64>(((((<u32>far) >> 16) & 0x7fff) + within) << 3, DISTANCE_TABLE);
      }
      if (<i32>far < 0) {
        status = BAD_DISTANCE_CODE;
        break;
      }
    }
    const distance: usize = ((<u32>far) >> 16) + ((<u32>(bits >> (far >> 8))) & (<u32>(far >> 32)));
    bits >>= far;
    count -= far;
    let from = out - distance;
    if (<u32>from < load<u32>(LOOP_NOTED_END)) {
      if (from < <usize>load<u32>(LOOP_WINDOW_START)) {
        status = TOO_FAR_BACK;
        break;
      }
      let mark = from - <usize>load<u32>(LOOP_KEPT_END) + KEPT_MARKS_END;
      const markEnd = min(mark + length, KEPT_MARKS_END);
      do {
        store<u8>(mark++, 1);
      } while (mark < markEnd);
    }
    // Loaded before the copy, so that the copy hides the latency of the table.
    entry = load<u32>((<usize>bits) & LITLEN_MASK, LITLEN_TABLE);

    // Matches are copied by 16 bytes without looking at their end: what is written too much is written over later.
    const end = out + length;
    if (distance >= 16) {
      v128.store(out, v128.load(from));
      v128.store(out, v128.load(from, 16), 16);
      if (length > 32) {
        do {
          out += 32;
          from += 32;
          v128.store(out, v128.load(from));
          v128.store(out, v128.load(from, 16), 16);
        } while (out + 32 < end);
      }
    } else {
      // The last `distance` bytes over and over, in steps of as many whole repeats as 16 bytes hold.
      const pattern = v128.load(distance << 4, REPEAT_PATTERNS);
      const step: usize = load<u8>(distance, REPEAT_PATTERNS);
      const repeated = v128.swizzle(v128.load(from), pattern);
      do {
        v128.store(out, repeated);
        out += step;
      } while (out < end);
    }
    out = end;
  } while (out < outLimit && next <= inLimit);
  const left = ((<u32>count) & 63) - SPARE_BITS;
  store<u32>(STATE_POSITION, ((<u32>next) << 3) - left);
  store<u32>(STATE_OUT, <u32>out);
  return status;
}
