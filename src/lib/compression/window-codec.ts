/**
 * How the state of a checkpoint is kept, in memory and in the extension of a `.clip` (docs/clip-extension.md):
 *
 *   codec (1 byte)   low bits: how the window is compressed; 0x80: a block header follows
 *   [length (2 bytes, little-endian) | header]   of the DEFLATE block that the checkpoint lies inside of
 *   window
 *
 * The compressor is ours and part of the kernel, because the bytes must be the same on every machine and node:zlib's are
 * not. What it writes is plain raw DEFLATE, so any inflater can read it.
 */
import { inflateRawSync } from 'node:zlib';
import { ClipctlError } from '../errors.ts';

export const WINDOW_CODEC = { plain: 0, deflateRaw: 1 } as const;

/** RFC 1951 §2: matches reach 32,768 bytes back. */
export const MAX_WINDOW_BYTES = 32 * 1024;
/** Header of a dynamic block (RFC 1951 §3.2.7): 17 bits, 19 code lengths of 3 bits, 316 of at most 14 bits. */
export const MAX_BLOCK_HEADER_BYTES = 564;
const HAS_BLOCK_HEADER = 0x80;

export interface CheckpointState {
  readonly window: Uint8Array;
  /** Of the block that the checkpoint lies inside of, from bit 0 on; undefined at a boundary between blocks. */
  readonly blockHeader?: Uint8Array | undefined;
}

/** @param deflated the window as raw DEFLATE; kept when it is smaller */
export function packWindow({ window, blockHeader }: CheckpointState, deflated?: Uint8Array): Uint8Array {
  const isSmaller = deflated !== undefined && deflated.length < window.length;
  const body = isSmaller ? deflated : window;
  const headerBytes = blockHeader === undefined ? 0 : 2 + blockHeader.length;
  const packed = new Uint8Array(Math.min(1 + headerBytes + body.length, 1 + 2 + MAX_BLOCK_HEADER_BYTES + MAX_WINDOW_BYTES));
  packed[0] = isSmaller ? WINDOW_CODEC.deflateRaw : WINDOW_CODEC.plain;
  if (blockHeader !== undefined) {
    packed[0] |= HAS_BLOCK_HEADER;
    packed.set([blockHeader.length & 255, blockHeader.length >> 8], 1);
    packed.set(blockHeader, 3);
  }
  packed.set(body, 1 + headerBytes);
  return packed;
}

/**
 * Empty bytes are an empty state: the start of a gzip member.
 * @throws ClipctlError CLIP_INVALID for what `packWindow` does not write, or a window of more than 32 KiB
 */
export function unpackWindow(packed: Uint8Array): CheckpointState {
  if (packed.length === 0) return { window: packed };
  const codec = packed[0]! & ~HAS_BLOCK_HEADER;
  if ((packed[0]! & HAS_BLOCK_HEADER) === 0) return { window: unpackBytes(codec, packed.subarray(1)) };
  const headerBytes = packed.length < 3 ? Infinity : packed[1]! | (packed[2]! << 8);
  if (headerBytes > MAX_BLOCK_HEADER_BYTES || 3 + headerBytes > packed.length) throw invalid('a cut block header');
  const blockHeader = packed.subarray(3, 3 + headerBytes);
  return { window: unpackBytes(codec, packed.subarray(3 + headerBytes)), blockHeader };
}

function unpackBytes(codec: number, bytes: Uint8Array): Uint8Array {
  if (codec === WINDOW_CODEC.plain && bytes.length <= MAX_WINDOW_BYTES) return bytes;
  if (codec !== WINDOW_CODEC.deflateRaw) throw invalid(`codec ${codec}`);
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_WINDOW_BYTES });
  } catch (error) {
    throw invalid('it does not decompress', error);
  }
}

function invalid(what: string, cause?: unknown): ClipctlError {
  return new ClipctlError('CLIP_INVALID', `a checkpoint has no usable window: ${what}`, { cause });
}
