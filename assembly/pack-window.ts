/**
 * The packer for windows of checkpoints. What follows a checkpoint refers to about a tenth of the 32 KiB before it: those
 * bytes are marked while it is decoded, and the others become repeats of the byte before, which cost next to nothing.
 * The rest is one DEFLATE block with fixed codes (RFC 1951 §3.2.6): codes made for so few symbols would save
 * 15 % and take as long again. Integers only, so the same layer gives the same bytes on every machine and in every
 * version of Node, which zlib's compressor does not promise.
 */
import { FIXED_CODES, FIXED_DISTANCE_CODES, HISTORY_BYTES, KEPT_END, KEPT_MARKS_END, PACKED } from './layout';
import { addPlace, findMatch, forgetPlaces, matchDistance, MAX_MATCH, MIN_MATCH } from './pack-matches';

const END_OF_BLOCK: u32 = 256;
const MARKED: u8 = 1;

let keptBytes: usize = 0;
let bits: u64 = 0;
let bitCount: u32 = 0;
let next: usize = 0;

/** Writes the fixed codes: the bits, first one lowest, above 4 bits of length. */
export function fillFixedCodes(): void {
  for (let symbol: u32 = 0; symbol < 288; symbol++) {
    const length: u32 = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
    const base: u32 = symbol < 144 ? 0x30 : symbol < 256 ? 0x190 - 144 : symbol < 280 ? -256 : 0xc0 - 280;
    store<u32>(FIXED_CODES + (symbol << 2), (reverseBits(base + symbol, length) << 4) | length);
  }
  for (let symbol: u32 = 0; symbol < 32; symbol++) {
    store<u32>(FIXED_DISTANCE_CODES + (symbol << 2), (reverseBits(symbol, 5) << 4) | 5);
  }
}

function reverseBits(code: u32, length: u32): u32 {
  let reversed: u32 = 0;
  for (let bit: u32 = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
  return reversed;
}

/** Sets history aside, of which nothing is marked yet. */
export function keepWindow(start: usize, end: usize): void {
  keptBytes = end - start;
  memory.copy(KEPT_END - keptBytes, start, keptBytes);
  memory.fill(KEPT_MARKS_END - HISTORY_BYTES, 0, HISTORY_BYTES);
}

/** Marks all of the window, for when what follows is not known. */
export function markWindow(): void {
  memory.fill(KEPT_MARKS_END - keptBytes, 1, keptBytes);
}

/** Drops what stands before the first marked byte. @returns how many bytes are left, up to KEPT_END */
export function trimWindow(): u32 {
  keptBytes = KEPT_MARKS_END - skipMarks(KEPT_MARKS_END - keptBytes, 0);
  return <u32>keptBytes;
}

/** Compresses the trimmed window into PACKED and returns how many bytes that takes. */
export function packWindow(): u32 {
  const start = KEPT_END - keptBytes;
  const marks = KEPT_MARKS_END - keptBytes;
  forgetPlaces(start);
  next = PACKED;
  bits = 0;
  bitCount = 0;
  // RFC 1951 §3.2.3: the last block, of type 1.
  writeBits(3, 3);
  for (let mark = marks; mark < KEPT_MARKS_END;) {
    const gap = skipMarks(mark, MARKED);
    packRun(start, <u32>(mark - marks), <u32>(gap - marks));
    mark = skipMarks(gap, 0);
    packGap(start + (gap - marks), <u32>(mark - gap));
  }
  writeSymbol(END_OF_BLOCK);
  store<u64>(next, bits);
  return <u32>(next - PACKED) + (bitCount > 0 ? 1 : 0);
}

/** The first mark from here on that is another than `same`, or the end; 16 marks of one byte are compared at once. */
function skipMarks(mark: usize, same: u8): usize {
  const all = i8x16.splat(same);
  while (mark < KEPT_MARKS_END) {
    const others = i8x16.bitmask(i8x16.ne(v128.load(mark), all));
    if (others != 0) return min(KEPT_MARKS_END, mark + ctz(others));
    mark += 16;
  }
  return KEPT_MARKS_END;
}

function packRun(start: usize, at: u32, end: u32): void {
  while (at < end) {
    const length = findMatch(at, end);
    if (length < MIN_MATCH) {
      writeSymbol(load<u8>(start + at++));
      continue;
    }
    writeMatch(length, matchDistance());
    const last = min(at + length, end - (MIN_MATCH - 1));
    const behind = at + length;
    while (++at < last) addPlace(at);
    at = behind;
  }
}

/** A gap becomes a repeat of the byte before it: the shortest code, and no match to look for. */
function packGap(at: usize, bytes: u32): void {
  memory.fill(at, load<u8>(at - 1), bytes);
  while (bytes >= MIN_MATCH) {
    const length = min(bytes, MAX_MATCH);
    writeMatch(length, 1);
    bytes -= length;
  }
  for (; bytes > 0; bytes--) writeSymbol(load<u8>(at - 1));
}

/** At most 25 bits. */
function writeBits(value: u32, count: u32): void {
  bits |= (<u64>value) << bitCount;
  bitCount += count;
  store<u64>(next, bits);
  next += bitCount >> 3;
  bits >>= bitCount & 56;
  bitCount &= 7;
}

function writeSymbol(symbol: u32): void {
  const code = load<u32>(FIXED_CODES + (symbol << 2));
  writeBits(code >> 4, code & 15);
}

/** RFC 1951 §3.2.5: from the highest two bits of `length - 3` and of `distance - 1` follow symbol and extra bits. */
function writeMatch(length: u32, distance: u32): void {
  const above = length - MIN_MATCH;
  const extra: u32 = above < 8 || length == MAX_MATCH ? 0 : 29 - clz(above);
  const symbol = length == MAX_MATCH ? 285 : 257 + (extra << 2) + (above >> extra);
  writeWithExtra(load<u32>(FIXED_CODES + (symbol << 2)), above & ((1 << extra) - 1), extra);
  const far = distance - 1;
  const farExtra: u32 = far < 4 ? 0 : 30 - clz(far);
  const farSymbol = (farExtra << 1) + (far >> farExtra);
  writeWithExtra(load<u32>(FIXED_DISTANCE_CODES + (farSymbol << 2)), far & ((1 << farExtra) - 1), farExtra);
}

function writeWithExtra(code: u32, value: u32, extra: u32): void {
  const length = code & 15;
  writeBits((value << length) | (code >> 4), length + extra);
}
