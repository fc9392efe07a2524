/**
 * Finds repeats for the window packer: hash chains over three bytes (RFC 1951 §4), without look-ahead, as so little is
 * left to pack that time goes into it for nothing.
 */
import { HASH_CHAIN, HASH_HEADS } from './layout';

export const MIN_MATCH: u32 = 3;
export const MAX_MATCH: u32 = 258;
const HASH_BITS: u32 = 12;
/** How many places are looked at. */
const MAX_CHAIN: u32 = 8;

let start: usize = 0;
/** Distance of the last match found. */
let distance: u32 = 0;

export function matchDistance(): u32 {
  return distance;
}

export function forgetPlaces(windowStart: usize): void {
  start = windowStart;
  memory.fill(HASH_HEADS, 0, 2 << HASH_BITS);
}

/** Puts a position, of which three bytes are there, into its chain. @returns the one before, plus 1 */
export function addPlace(at: u32): u32 {
  const three = load<u32>(start + at) << 8;
  const head = HASH_HEADS + (((three * 0x9e3779b1) >> (32 - HASH_BITS)) << 1);
  const before: u32 = load<u16>(head);
  store<u16>(HASH_CHAIN + (at << 1), <u16>before);
  store<u16>(head, <u16>(at + 1));
  return before;
}

/**
 * Finds the longest match of a position among those of its chain; the position becomes a part of the chain.
 * @param end of what may be matched
 * @returns its length, or less than MIN_MATCH for none
 */
export function findMatch(at: u32, end: u32): u32 {
  const most = min(MAX_MATCH, end - at);
  if (most < MIN_MATCH) return 0;
  let candidate = addPlace(at);
  let best = MIN_MATCH - 1;
  for (let left = MAX_CHAIN; candidate != 0 && left != 0; left--) {
    const other = candidate - 1;
    candidate = load<u16>(HASH_CHAIN + (other << 1));
    if (load<u8>(start + other + best) != load<u8>(start + at + best)) continue;
    const length = commonBytes(start + other, start + at, most);
    if (length <= best) continue;
    best = length;
    distance = at - other;
    if (length == most) break;
  }
  return best;
}

function commonBytes(left: usize, right: usize, most: u32): u32 {
  let length: u32 = 0;
  while (length < most) {
    const difference = load<u64>(left + length) ^ load<u64>(right + length);
    if (difference != 0) return min(most, length + <u32>(ctz(difference) >> 3));
    length += 8;
  }
  return most;
}
