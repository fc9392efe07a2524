/**
 * The seek table at the end of seekable zstd: a skippable frame that lists the size of every frame before it
 * (zstd, contrib/seekable_format/zstd_seekable_compression_format.md, version 0.1.0). Decoders skip it. Here every frame
 * but the last holds exactly FRAME_BYTES of content, so an offset of the content is a frame by division.
 */
import { ClipctlError } from '../../errors.ts';

/** Content of one frame. */
export const FRAME_BYTES = 4 * 1024 * 1024;
/** 256 GiB of content. More is not packed, and not believed. */
export const MAX_TABLE_FRAMES = 65_536;
export const MAX_SEEKABLE_BYTES = MAX_TABLE_FRAMES * FRAME_BYTES;
/** The footer: how many frames (4), which fields (1), magic number (4). */
export const FOOTER_BYTES = 9;

const SKIPPABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER_BYTES = 8;
const ENTRY_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** Small enough to need no memory budget. */
const PIECE_ENTRIES = 4096;
/** What ZSTD_compressBound gives for a frame's content: nothing an encoder writes is longer. */
export const MAX_PACKED_FRAME_BYTES = FRAME_BYTES + (FRAME_BYTES >> 8) + 64;

export interface SeekTable {
  /** Of the content. */
  readonly sizeBytes: number;
  /** Where each frame begins in the stored form, and at last where the table does. */
  readonly offsets: readonly number[];
}

/** Where the entries stand in a stored form. */
export interface TablePlace {
  readonly frames: number;
  readonly entryBytes: number;
  /** Of the skippable frame. */
  readonly start: number;
  readonly entriesStart: number;
}

/** The table for frames of these sizes, in pieces of at most 32 KiB. */
export function* seekTablePieces(packedBytes: readonly number[], sizeBytes: number): Generator<Buffer, void, undefined> {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES);
  header.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  header.writeUInt32LE(packedBytes.length * ENTRY_BYTES + FOOTER_BYTES, 4);
  yield header;
  for (let at = 0; at < packedBytes.length; at += PIECE_ENTRIES) {
    const sizes = packedBytes.slice(at, at + PIECE_ENTRIES);
    const piece = Buffer.alloc(PIECE_ENTRIES * ENTRY_BYTES);
    sizes.forEach((bytes, index) => {
      piece.writeUInt32LE(bytes, index * ENTRY_BYTES);
      piece.writeUInt32LE(contentBytesOf(at + index, sizeBytes), index * ENTRY_BYTES + 4);
    });
    yield piece.subarray(0, sizes.length * ENTRY_BYTES);
  }
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.writeUInt32LE(packedBytes.length, 0);
  footer.writeUInt32LE(SEEKABLE_MAGIC, 5);
  yield footer;
}

/** Content of frame `index`. */
export function contentBytesOf(index: number, sizeBytes: number): number {
  return Math.min(FRAME_BYTES, sizeBytes - index * FRAME_BYTES);
}

/** @throws ClipctlError CACHE_CORRUPT when no table of ours can stand before this footer */
export function placeOfTable(footer: Buffer, storedBytes: number): TablePlace {
  if (footer.length !== FOOTER_BYTES || footer.readUInt32LE(5) !== SEEKABLE_MAGIC) throw corruptTable('it has no seek table');
  const descriptor = footer.readUInt8(4);
  // Bits 2 to 6 are reserved, 0 and 1 mean nothing.
  if ((descriptor & 0x7c) !== 0) throw corruptTable('its seek table is of an unknown kind');
  const frames = footer.readUInt32LE(0);
  if (frames > MAX_TABLE_FRAMES) throw corruptTable(`its seek table claims ${frames} frames`);
  const entryBytes = ENTRY_BYTES + ((descriptor & 0x80) === 0 ? 0 : CHECKSUM_BYTES);
  const entriesStart = storedBytes - FOOTER_BYTES - frames * entryBytes;
  const start = entriesStart - SKIPPABLE_HEADER_BYTES;
  if (start < 0) throw corruptTable(`its seek table claims ${frames} frames in ${storedBytes} bytes`);
  return { frames, entryBytes, start, entriesStart };
}

/** Takes the skippable header, then the entries in any number of pieces that end between two of them. */
export class SeekTableParser {
  readonly #place: TablePlace;
  readonly #offsets: number[] = [0];
  #sizeBytes = 0;

  /** @throws ClipctlError CACHE_CORRUPT */
  constructor(place: TablePlace, header: Buffer) {
    this.#place = place;
    const { frames, entryBytes } = place;
    const isOurs = header.length === SKIPPABLE_HEADER_BYTES && header.readUInt32LE(0) === SKIPPABLE_MAGIC;
    if (!isOurs || header.readUInt32LE(4) !== frames * entryBytes + FOOTER_BYTES)
      throw corruptTable('its seek table has no beginning');
  }

  /** @throws ClipctlError CACHE_CORRUPT */
  take(entries: Buffer): void {
    const { entryBytes, frames } = this.#place;
    for (let at = 0; at < entries.length; at += entryBytes) {
      const packedBytes = entries.readUInt32LE(at);
      const contentBytes = entries.readUInt32LE(at + 4);
      const isLast = this.#offsets.length === frames;
      const isWhole = contentBytes === FRAME_BYTES || (isLast && contentBytes > 0 && contentBytes < FRAME_BYTES);
      if (!isWhole || packedBytes === 0 || packedBytes > MAX_PACKED_FRAME_BYTES)
        throw corruptTable(`its seek table claims a frame of ${packedBytes} bytes for ${contentBytes}`);
      this.#offsets.push((this.#offsets.at(-1) ?? 0) + packedBytes);
      this.#sizeBytes += contentBytes;
    }
  }

  /** @throws ClipctlError CACHE_CORRUPT when the frames do not fill what stands before the table */
  finish(): SeekTable {
    const { frames, start } = this.#place;
    if (this.#offsets.length !== frames + 1 || this.#offsets.at(-1) !== start)
      throw corruptTable('the frames of its seek table do not fill it');
    return { sizeBytes: this.#sizeBytes, offsets: this.#offsets };
  }
}

function corruptTable(what: string): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `seekable zstd is corrupt: ${what}`);
}
