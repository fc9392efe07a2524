/**
 * Where everything lies in the kernel's linear memory, which the host makes and imports. Addresses are constants, not
 * `memory.data` segments: those would put their zeros into the .wasm.
 *
 *   0x00000  state, code lengths, tables (this file)
 *   0x10000  input:  unread tail + up to 256 KiB | slack that a look-ahead may read (its content never matters)
 *   0x60000  output: 32 KiB history | 1 MiB | slack that a match may overshoot into
 *  0x170000  window packer: hash heads, chains, the window and its marks, packed bytes
 *  0x1a0000  output once more: one area is read by another thread while the other is filled
 *
 * A position in the input is a bit address: byte address * 8 + bit (RFC 1951 §3.1.1 counts bits from the low end).
 */

/** What `run` left behind, read by the host. */
export const STATE_POSITION: usize = 0x0000;
export const STATE_OUT: usize = 0x0004;
/** Of the block that is being decoded: the bit its header starts at in BLOCK_HEADER, and its length in bits. */
export const STATE_HEADER_BIT: usize = 0x0008;
export const STATE_HEADER_BITS: usize = 0x000c;
/** Of the fast loop, which has no register left for what it rarely needs. */
export const LOOP_WINDOW_START: usize = 0x0010;
export const LOOP_KEPT_END: usize = 0x0014;
export const LOOP_NOTED_END: usize = 0x0018;

/** 16 swizzle patterns of 16 bytes: pattern d repeats the first d bytes. */
export const REPEAT_PATTERNS: usize = 0x0100;
/** Code lengths as the header lists them: literal/length codes, then distance codes (RFC 1951 §3.2.7). One byte each. */
export const CODE_LENGTHS: usize = 0x0400;
/** Lengths of the code length code, by symbol. */
export const PRECODE_LENGTHS: usize = 0x0600;
/** Number of codes of each length 0..15, then the index of the first code of each length; u32 each. */
export const LENGTH_COUNTS: usize = 0x0640;
export const LENGTH_OFFSETS: usize = 0x0680;
/** Bytes of the header of the block being decoded: what a checkpoint inside of the block needs. */
export const BLOCK_HEADER: usize = 0x0800;
/** Symbols sorted by code length, u16 each. */
export const SORTED_SYMBOLS: usize = 0x0c00;
/** Table entries of each symbol but for the length of its code. */
export const LITLEN_SYMBOLS: usize = 0x1000;
export const DISTANCE_SYMBOLS: usize = 0x1800;
export const PRECODE_SYMBOLS: usize = 0x1a00;
export const PRECODE_TABLE: usize = 0x1c00;
/** 2,342 entries of 4 bytes: the most that 286 codes of ≤ 15 bits can need with an 11-bit root (zlib's enough.c). */
export const LITLEN_TABLE: usize = 0x2000;
/** 592 entries of 8 bytes: 30 codes of ≤ 15 bits with a 9-bit root. */
export const DISTANCE_TABLE: usize = 0x5000;

export const INPUT: usize = 0x10000;
/** The unread tail of one call to the next: at most a block header (563 bytes), so 1 KiB, and 256 KiB of new input. */
export const INPUT_BYTES: usize = 0x40400;
/** A header may be parsed past the end of the input, to be parsed again when there is more: at most 572 bytes. */
export const INPUT_SLACK: usize = 0x400;

export const OUTPUT: usize = 0x60000;
export const HISTORY_BYTES: usize = 0x8000;
export const OUTPUT_BYTES: usize = 0x100000;
/** One symbol group overshoots by at most 3 literals, a match of 258 and 32 bytes of vector stores. */
export const OUTPUT_SLACK: usize = 0x1000;

export const PACKER: usize = 0x170000;
/** Positions in the window plus 1, by hash; u16 each. Then the position before with the same hash. */
export const HASH_HEADS: usize = PACKER;
export const HASH_CHAIN: usize = PACKER + 0x2000;
/** The fixed codes of literals and lengths, then of distances; u32 each. */
export const FIXED_CODES: usize = PACKER + 0x12000;
export const FIXED_DISTANCE_CODES: usize = PACKER + 0x12480;
/** The window of a checkpoint, ending at KEPT_END, and one byte for each of its bytes: 1 when the output behind refers to it. */
export const KEPT_END: usize = PACKER + 0x1b000;
export const KEPT_MARKS_END: usize = PACKER + 0x23800;
/** The result: 32 KiB of literals with 9 bits each are 36 KiB, matches are less. */
export const PACKED: usize = PACKER + 0x24000;

export const SECOND_OUTPUT: usize = PACKER + 0x30000;
export const MEMORY_BYTES: usize = SECOND_OUTPUT + 0x110000;
