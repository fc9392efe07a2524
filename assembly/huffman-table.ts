/**
 * From code lengths to a decoding table (RFC 1951 §3.2.2). The table is indexed by the next bits of the stream, in which
 * a code stands with its first bit lowest. Codes longer than the root continue in a subtable.
 *
 * The root is built for 1 bit, then doubled by a copy for each further bit: every code is written once.
 * Building tables is about 5 % of the time of a whole decode (44 KB of output a block from zlib -6).
 */
import { LENGTH_COUNTS, LENGTH_OFFSETS, LITLEN_TABLE, SORTED_SYMBOLS } from './layout';
import { INVALID, LITLEN_ROOT_BITS, ONE_CODE_BIT, SPECIAL, SPECIAL_DISTANCE, SUBTABLE } from './table-entries';

const MAX_CODE_BITS: u32 = 15;

/**
 * Sorts the symbols by the length of their codes and judges the set as zlib's inflate_table does: over-subscribed sets
 * and incomplete ones are refused, but for no code at all and for a single code of 1 bit.
 * @returns the longest length in use, 0 for no code at all, -1 for a set that is refused
 */
export function sortSymbols(lengths: usize, codes: u32): i32 {
  memory.fill(LENGTH_COUNTS, 0, 64);
  for (let symbol: u32 = 0; symbol < codes; symbol++) {
    const count = LENGTH_COUNTS + ((<usize>load<u8>(lengths + symbol)) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
  let free: i32 = 1;
  let offset: u32 = load<u32>(LENGTH_COUNTS);
  let longest: i32 = 0;
  store<u32>(LENGTH_OFFSETS, 0);
  for (let length: u32 = 1; length <= MAX_CODE_BITS; length++) {
    const count = load<u32>(LENGTH_COUNTS + (length << 2));
    store<u32>(LENGTH_OFFSETS + (length << 2), offset);
    offset += count;
    free = (free << 1) - <i32>count;
    if (free < 0) return -1;
    if (count != 0) longest = <i32>length;
  }
  if (free > 0 && longest > 1) return -1;
  for (let symbol: u32 = 0; symbol < codes; symbol++) {
    const next = LENGTH_OFFSETS + ((<usize>load<u8>(lengths + symbol)) << 2);
    const index = load<u32>(next);
    store<u32>(next, index + 1);
    store<u16>(SORTED_SYMBOLS + (index << 1), <u16>symbol);
  }
  return longest;
}

/** The code behind `code` in the order of codes of one length, both with their first bit lowest; 0 behind the last. */
function nextCode(code: u32, length: u32): u32 {
  const zeros = ~code & ((1 << length) - 1);
  if (zeros == 0) return 0;
  const highest = (<u32>0x80000000) >> clz(zeros);
  return (code & (highest - 1)) | highest;
}

/**
 * Fills the table of a set that `sortSymbols` accepted. `T` is u32 for literal/length entries, u64 for distances.
 * @param symbols the entry of each symbol without its code length
 */
export function fillTable<T>(table: usize, symbols: usize, rootBits: u32): void {
  // What no code leads to (only in a set of one code or none) is 1 bit long and invalid, as for zlib.
  const invalid: u32 = (sizeof<T>() == 8 ? SPECIAL_DISTANCE : SPECIAL) | INVALID | ONE_CODE_BIT;
  store<T>(table, <T>invalid);
  store<T>(table + sizeof<T>(), <T>invalid);
  let index = load<u32>(LENGTH_COUNTS);
  let code: u32 = 0;
  for (let length: u32 = 1; length <= rootBits; length++) {
    if (length > 1) memory.copy(table + (sizeof<T>() << (length - 1)), table, sizeof<T>() << (length - 1));
    for (let left = load<u32>(LENGTH_COUNTS + (length << 2)); left != 0; left--) {
      const symbol: usize = load<u16>(SORTED_SYMBOLS + (index << 1));
      const entry = <T>(load<T>(symbols + symbol * sizeof<T>()) + <T>(length * ONE_CODE_BIT));
      store<T>(table + <usize>code * sizeof<T>(), entry);
      code = nextCode(code, length);
      index++;
    }
  }
  fillSubtables<T>(table, symbols, rootBits, index, code);
}

/** Each subtable is as wide as the codes that begin with its root bits need, and no wider. */
function fillSubtables<T>(table: usize, symbols: usize, rootBits: u32, index: u32, code: u32): void {
  const special: u32 = (sizeof<T>() == 8 ? SPECIAL_DISTANCE : SPECIAL) | SUBTABLE;
  const rootMask: u32 = (1 << rootBits) - 1;
  let start: u32 = 1 << rootBits;
  let width: u32 = 0;
  let root: u32 = 0xffffffff;
  for (let length = rootBits + 1; length <= MAX_CODE_BITS; length++) {
    for (let left = load<u32>(LENGTH_COUNTS + (length << 2)); left != 0; left--) {
      if ((code & rootMask) != root) {
        if (root != 0xffffffff) start += 1 << width;
        root = code & rootMask;
        width = subtableWidth(length, rootBits, left);
        store<T>(table + <usize>root * sizeof<T>(), <T>(special | (start << 16) | (width << 8) | rootBits));
      }
      const symbol: usize = load<u16>(SORTED_SYMBOLS + (index << 1));
      const entry = <T>(load<T>(symbols + symbol * sizeof<T>()) + <T>((length - rootBits) * ONE_CODE_BIT));
      for (let at = code >> rootBits; at < (<u32>1) << width; at += 1 << (length - rootBits)) {
        store<T>(table + <usize>(start + at) * sizeof<T>(), entry);
      }
      code = nextCode(code, length);
      index++;
    }
  }
}

/** `left` codes of `length` are still to come: how many bits until all codes below one root are told apart. */
function subtableWidth(length: u32, rootBits: u32, left: u32): u32 {
  let width = length - rootBits;
  let used = left;
  while (used < (<u32>1) << width && width + rootBits < MAX_CODE_BITS) {
    width++;
    used = (used << 1) + load<u32>(LENGTH_COUNTS + ((rootBits + width) << 2));
  }
  return width;
}

/**
 * Resolves the extra bits of match lengths in the table wherever code and extra bits fit into the root together: the
 * entry found is then the match length itself. Worth 8-10 % of the whole decode. Works on the set sorted last.
 */
export function resolveExtraBits(): void {
  let index = load<u32>(LENGTH_COUNTS);
  let code: u32 = 0;
  for (let length: u32 = 1; length < LITLEN_ROOT_BITS; length++) {
    for (let left = load<u32>(LENGTH_COUNTS + (length << 2)); left != 0; left--) {
      const symbol: u32 = load<u16>(SORTED_SYMBOLS + (index << 1));
      if (symbol > 264 && symbol < 285) resolveSymbol(code, length);
      code = nextCode(code, length);
      index++;
    }
  }
}

function resolveSymbol(code: u32, length: u32): void {
  const entry = load<u32>(LITLEN_TABLE + (code << 2));
  const total = entry & 63;
  if (total > LITLEN_ROOT_BITS) return;
  for (let extra: u32 = 0; extra < (<u32>1) << (total - length); extra++) {
    const resolved = ((((entry >> 16) & 511) + extra) << 16) | (length << 8) | total;
    for (let at = code | (extra << length); at < (<u32>1) << LITLEN_ROOT_BITS; at += 1 << total) {
      store<u32>(LITLEN_TABLE + (at << 2), resolved);
    }
  }
}
