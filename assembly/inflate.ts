/**
 * DEFLATE decompression (RFC 1951) that can stop between any two symbols. All state is in linear memory and in a bit
 * position, so going on after more input came, starting at a checkpoint and starting in the middle of a
 * byte are the same operation.
 *
 * The caller owns the input and output areas of layout.ts: `inEnd` lies at least INPUT_SLACK, `outEnd` at least OUTPUT_SLACK
 * before what must not be touched. Whatever the input says, nothing else is read or written.
 */
import {
  BLOCK_HEADER,
  DISTANCE_SYMBOLS,
  LITLEN_SYMBOLS,
  PRECODE_SYMBOLS,
  REPEAT_PATTERNS,
  STATE_HEADER_BIT,
  STATE_HEADER_BITS,
  STATE_OUT,
  STATE_POSITION,
} from './layout';
import { headerEnd, headerIsFinal, headerIsStored, headerStoredBytes, readHeader } from './block-header';
import { AT_BOUNDARY, BLOCK_ENDED, END_OF_STREAM, GO_ON, INSIDE_BLOCK, NEED_INPUT, NEED_OUTPUT } from './status';
import { fillFixedCodes } from './pack-window';
import { decodeSymbolsCarefully } from './symbols-careful';
import { decodeSymbolsFast, FAST_INPUT_BYTES, FAST_OVERSHOOT_BYTES } from './symbols-fast';
import { DISTANCE_CODES, distanceSymbol, LITLEN_CODES, litlenSymbol, PRECODE_CODES } from './table-entries';

const BETWEEN_BLOCKS: u32 = 0;
const IN_STORED: u32 = 1;
const IN_SYMBOLS: u32 = 2;

let phase: u32 = BETWEEN_BLOCKS;
let isFinalBlock: bool = false;
let storedLeft: usize = 0;

/** Writes the constant tables; once for each memory, before anything else. */
export function initialize(): void {
  for (let symbol: u32 = 0; symbol < LITLEN_CODES; symbol++) {
    store<u32>(LITLEN_SYMBOLS + (symbol << 2), litlenSymbol(symbol));
  }
  for (let symbol: u32 = 0; symbol < DISTANCE_CODES; symbol++) {
    store<u64>(DISTANCE_SYMBOLS + (symbol << 3), distanceSymbol(symbol));
  }
  for (let symbol: u32 = 0; symbol < PRECODE_CODES; symbol++) store<u32>(PRECODE_SYMBOLS + (symbol << 2), symbol << 16);
  for (let distance: u32 = 1; distance < 16; distance++) {
    // No match has distance 0: the steps stand in the place of its pattern.
    store<u8>(REPEAT_PATTERNS + distance, <u8>(16 - (16 % distance)));
    for (let at: u32 = 0; at < 16; at++) store<u8>(REPEAT_PATTERNS + (distance << 4) + at, <u8>(at % distance));
  }
  fillFixedCodes();
}

/** The next `run` starts at the header of a block. */
export function reset(): void {
  phase = BETWEEN_BLOCKS;
}

/**
 * The next `run` goes on inside of the block whose header stands at a position, which is not its first symbol.
 * @returns false when there is no such header
 */
export function resetInside(headerPosition: u32, inEnd: usize): bool {
  if (readHeader(headerPosition) != GO_ON || headerIsStored() || headerEnd() > (<u32>inEnd) << 3) return false;
  enterBlock(headerPosition);
  return true;
}

/**
 * Decodes until something is needed or found.
 * @param position of the next bit
 * @param inEnd the byte behind the input
 * @param out where the next byte of output goes
 * @param outEnd stop here; up to OUTPUT_SLACK bytes may be written beyond
 * @param checkpointAt stop at the first boundary of blocks where `out` is at or behind this
 * @param insideAt stop at the first boundary of symbols where `out` is at or behind this
 * @param windowStart the first byte of history: a match that reaches further back is an error
 * @returns a status or an error; new position and `out` are in the state
 */
export function run(
  position: u32,
  inEnd: usize,
  out: usize,
  outEnd: usize,
  checkpointAt: usize,
  insideAt: usize,
  windowStart: usize,
  keptEnd: usize,
): i32 {
  store<u32>(STATE_POSITION, position);
  store<u32>(STATE_OUT, <u32>out);
  while (true) {
    let status = GO_ON;
    if (phase == BETWEEN_BLOCKS) {
      if (load<u32>(STATE_OUT) >= <u32>checkpointAt) return AT_BOUNDARY;
      status = openBlock((<u32>inEnd) << 3);
      if (status != GO_ON) return status;
    }
    status = phase == IN_STORED ? copyStored(inEnd, outEnd) : decodeSymbols(inEnd, outEnd, insideAt, windowStart, keptEnd);
    if (status != BLOCK_ENDED) return status;
    phase = BETWEEN_BLOCKS;
    if (isFinalBlock) return END_OF_STREAM;
  }
}

/** A verdict that depends on bits which are not there yet is none: the header is read again when they are. */
function openBlock(endPosition: u32): i32 {
  const start = load<u32>(STATE_POSITION);
  const verdict = readHeader(start);
  if (headerEnd() > endPosition) return NEED_INPUT;
  if (verdict != GO_ON) return verdict;
  enterBlock(start);
  store<u32>(STATE_POSITION, headerEnd());
  return GO_ON;
}

function enterBlock(headerPosition: u32): void {
  isFinalBlock = headerIsFinal();
  storedLeft = headerStoredBytes();
  phase = headerIsStored() ? IN_STORED : IN_SYMBOLS;
  store<u32>(STATE_HEADER_BIT, headerPosition & 7);
  store<u32>(STATE_HEADER_BITS, headerEnd() - headerPosition);
  memory.copy(BLOCK_HEADER, headerPosition >> 3, ((headerEnd() + 7) >> 3) - (headerPosition >> 3));
}

/** RFC 1951 §3.2.4; the position is on a byte. */
function copyStored(inEnd: usize, outEnd: usize): i32 {
  const next: usize = load<u32>(STATE_POSITION) >> 3;
  const out: usize = load<u32>(STATE_OUT);
  const bytes = min(storedLeft, min(inEnd - next, outEnd > out ? outEnd - out : 0));
  memory.copy(out, next, bytes);
  storedLeft -= bytes;
  store<u32>(STATE_POSITION, (<u32>(next + bytes)) << 3);
  store<u32>(STATE_OUT, <u32>(out + bytes));
  if (storedLeft == 0) return BLOCK_ENDED;
  return next + bytes == inEnd ? NEED_INPUT : NEED_OUTPUT;
}

function decodeSymbols(inEnd: usize, outEnd: usize, insideAt: usize, windowStart: usize, keptEnd: usize): i32 {
  const next: usize = load<u32>(STATE_POSITION) >> 3;
  const fastEnd = min(outEnd, insideAt - FAST_OVERSHOOT_BYTES);
  // The loop tests the address that it has loaded up to, which is at most 7 bytes ahead of the position.
  if (next + FAST_INPUT_BYTES + 7 <= inEnd && load<u32>(STATE_OUT) < <u32>fastEnd) {
    const status = decodeSymbolsFast(inEnd - FAST_INPUT_BYTES, fastEnd, windowStart, keptEnd);
    if (status != GO_ON) return status;
  }
  const status = decodeSymbolsCarefully((<u32>inEnd) << 3, min(outEnd, insideAt), windowStart, keptEnd);
  if (status != GO_ON) return status;
  return load<u32>(STATE_OUT) >= <u32>insideAt ? INSIDE_BLOCK : NEED_OUTPUT;
}
