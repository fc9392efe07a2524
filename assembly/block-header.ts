/**
 * Block headers (RFC 1951 §3.2.3 to §3.2.7). Bits are read by loading 8 bytes at the position each time: a header is
 * a few hundred bits in some 44 KB of output. Reading may run past the end of the input; the caller compares positions.
 */
import {
  CODE_LENGTHS,
  DISTANCE_SYMBOLS,
  DISTANCE_TABLE,
  LITLEN_SYMBOLS,
  LITLEN_TABLE,
  PRECODE_LENGTHS,
  PRECODE_SYMBOLS,
  PRECODE_TABLE,
} from './layout';
import { fillTable, resolveExtraBits, sortSymbols } from './huffman-table';
import {
  BAD_BLOCK_TYPE,
  BAD_CODE_LENGTHS,
  BAD_COUNTS,
  BAD_DISTANCE_SET,
  BAD_LITLEN_SET,
  BAD_REPEAT,
  BAD_STORED_LENGTH,
  GO_ON,
  NO_END_OF_BLOCK,
} from './status';
import {
  DISTANCE_CODES,
  DISTANCE_ROOT_BITS,
  LITLEN_CODES,
  LITLEN_ROOT_BITS,
  PRECODE_CODES,
  PRECODE_ROOT_BITS,
} from './table-entries';

/** Where the next bit is read. */
let position: u32 = 0;
let storedBytes: u32 = 0;
let isStored: bool = false;
let isFinal: bool = false;
/** The tables hold the fixed codes already. */
let hasFixedTables: bool = false;

export function headerEnd(): u32 {
  return position;
}

export function headerIsFinal(): bool {
  return isFinal;
}

export function headerIsStored(): bool {
  return isStored;
}

export function headerStoredBytes(): u32 {
  return storedBytes;
}

/**
 * Reads the header at a position and builds the tables of its block.
 * @returns GO_ON, or the error; the bits that either depends on are those before `headerEnd()`
 */
export function readHeader(start: u32): i32 {
  position = start;
  isFinal = takeBits(1) != 0;
  const type = takeBits(2);
  isStored = type == 0;
  if (isStored) return readStoredLength();
  if (type == 1) return useFixedCodes();
  return type == 2 ? readDynamicCodes() : BAD_BLOCK_TYPE;
}

function takeBits(count: u32): u32 {
  const bits = (<u32>(load<u64>(position >> 3) >> (position & 7))) & ((1 << count) - 1);
  position += count;
  return bits;
}

/** RFC 1951 §3.2.4 */
function readStoredLength(): i32 {
  position = (position + 7) & ~7;
  const bytes = takeBits(16);
  const complement = takeBits(16);
  storedBytes = bytes;
  return bytes == (complement ^ 0xffff) ? GO_ON : BAD_STORED_LENGTH;
}

/** RFC 1951 §3.2.6 */
function useFixedCodes(): i32 {
  if (hasFixedTables) return GO_ON;
  memory.fill(CODE_LENGTHS, 8, 144);
  memory.fill(CODE_LENGTHS + 144, 9, 112);
  memory.fill(CODE_LENGTHS + 256, 7, 24);
  memory.fill(CODE_LENGTHS + 280, 8, 8);
  memory.fill(CODE_LENGTHS + LITLEN_CODES, 5, DISTANCE_CODES);
  const verdict = buildTables(LITLEN_CODES, DISTANCE_CODES);
  hasFixedTables = true;
  return verdict;
}

/** RFC 1951 §3.2.7 */
function readDynamicCodes(): i32 {
  hasFixedTables = false;
  const litlenCodes = takeBits(5) + 257;
  const distanceCodes = takeBits(5) + 1;
  const precodeCodes = takeBits(4) + 4;
  if (litlenCodes > 286 || distanceCodes > 30) return BAD_COUNTS;
  readPrecodeLengths(precodeCodes);
  const longest = sortSymbols(PRECODE_LENGTHS, PRECODE_CODES);
  if (longest == 0) {
    // zlib takes a bit for each length then, all of them 0.
    position += litlenCodes + distanceCodes;
    return NO_END_OF_BLOCK;
  }
  if (longest < 0 || !isCompletePrecode()) return BAD_CODE_LENGTHS;
  fillTable<u32>(PRECODE_TABLE, PRECODE_SYMBOLS, PRECODE_ROOT_BITS);
  const verdict = readCodeLengths(litlenCodes + distanceCodes);
  if (verdict != GO_ON) return verdict;
  if (load<u8>(CODE_LENGTHS + 256) == 0) return NO_END_OF_BLOCK;
  return buildTables(litlenCodes, distanceCodes);
}

/** The order in which lengths of the code length code come: 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15. */
function precodeSymbolAt(index: u32): u32 {
  if (index < 3) return 16 + index;
  if (index == 3) return 0;
  return index & 1 ? 7 - ((index - 5) >> 1) : 8 + ((index - 4) >> 1);
}

function readPrecodeLengths(count: u32): void {
  memory.fill(PRECODE_LENGTHS, 0, PRECODE_CODES);
  for (let index: u32 = 0; index < count; index++) {
    store<u8>(PRECODE_LENGTHS + precodeSymbolAt(index), <u8>takeBits(3));
  }
}

/** Unlike the other two, the code length code may not be a single code of 1 bit (zlib's inflate_table, type CODES). */
function isCompletePrecode(): bool {
  let used: u32 = 0;
  for (let symbol: u32 = 0; symbol < PRECODE_CODES; symbol++) {
    const length: u32 = load<u8>(PRECODE_LENGTHS + symbol);
    if (length != 0) used += 128 >> length;
  }
  return used == 128;
}

/** Literal/length and distance code lengths are one sequence: a repeat may cross from the first into the second. */
function readCodeLengths(count: u32): i32 {
  let index: u32 = 0;
  while (index < count) {
    const bits = <u32>(load<u64>(position >> 3) >> (position & 7));
    const entry = load<u32>(PRECODE_TABLE + ((bits & 127) << 2));
    const codeBits = entry & 63;
    const symbol = entry >> 16;
    position += codeBits;
    if (symbol < 16) {
      store<u8>(CODE_LENGTHS + index++, <u8>symbol);
      continue;
    }
    if (symbol == 16 && index == 0) {
      position += 2;
      return BAD_REPEAT;
    }
    const length: u8 = symbol == 16 ? load<u8>(CODE_LENGTHS + index - 1) : 0;
    const repeats: u32 = symbol == 16 ? 3 + takeBits(2) : symbol == 17 ? 3 + takeBits(3) : 11 + takeBits(7);
    if (index + repeats > count) return BAD_REPEAT;
    memory.fill(CODE_LENGTHS + index, length, repeats);
    index += repeats;
  }
  return GO_ON;
}

function buildTables(litlenCodes: u32, distanceCodes: u32): i32 {
  if (sortSymbols(CODE_LENGTHS, litlenCodes) < 0) return BAD_LITLEN_SET;
  fillTable<u32>(LITLEN_TABLE, LITLEN_SYMBOLS, LITLEN_ROOT_BITS);
  resolveExtraBits();
  if (sortSymbols(CODE_LENGTHS + litlenCodes, distanceCodes) < 0) return BAD_DISTANCE_SET;
  fillTable<u64>(DISTANCE_TABLE, DISTANCE_SYMBOLS, DISTANCE_ROOT_BITS);
  return GO_ON;
}
