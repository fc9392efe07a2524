/** Finding the seek table of a stored form: one small read where it is short, more in pieces of 64 KiB where it is not. */
import { ClipctlError } from '../../../errors.ts';
import { FOOTER_BYTES, placeOfTable, SeekTableParser, type SeekTable } from '../../../compression/zstd/seek-table.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { CacheCallOptions, EncodedContents } from '../../content-cache.ts';

/** 1000 frames with the skippable header and the footer: nearly all layers need no second read. */
const TAIL_BYTES = 8 + 1000 * 8 + FOOTER_BYTES;
/** A multiple of both sizes that an entry can have. */
const BLOCK_BYTES = 24 * 2048;
const HEADER_BYTES = 8;

/** `undefined` = there is no stored form. @throws ClipctlError CACHE_CORRUPT; what the driver throws */
export async function readSeekTable(
  encoded: EncodedContents,
  hash: ContentHash,
  { signal }: CacheCallOptions,
): Promise<SeekTable | undefined> {
  const found = await encoded.exists(hash, { signal });
  if (found === undefined) return undefined;
  const storedBytes = found.sizeBytes;
  const tailStart = Math.max(0, storedBytes - TAIL_BYTES);
  const read = (offset: number, length: number): Promise<Buffer | undefined> =>
    readExactly(encoded, { hash, offset, length, signal });
  const tail = await read(tailStart, storedBytes - tailStart);
  if (tail === undefined) return undefined;
  const place = placeOfTable(tail.subarray(Math.max(0, tail.length - FOOTER_BYTES)), storedBytes);
  const isInTail = place.start >= tailStart;
  const bytes = async (offset: number, length: number): Promise<Buffer> => {
    const piece = isInTail ? tail.subarray(offset - tailStart, offset - tailStart + length) : await read(offset, length);
    if (piece === undefined) throw new ClipctlError('CACHE_CORRUPT', `${hash}.zst went away while it was read`);
    return piece;
  };
  const parser = new SeekTableParser(place, await bytes(place.start, HEADER_BYTES));
  const end = storedBytes - FOOTER_BYTES;
  for (let at = place.entriesStart; at < end; at += BLOCK_BYTES) {
    parser.take(await bytes(at, Math.min(BLOCK_BYTES, end - at)));
  }
  return parser.finish();
}

interface SmallRange extends CacheCallOptions {
  readonly hash: ContentHash;
  readonly offset: number;
  /** At most 64 KiB. */
  readonly length: number;
}

async function readExactly(encoded: EncodedContents, { hash, offset, length, signal }: SmallRange): Promise<Buffer | undefined> {
  const stream = await encoded.get(hash, { offset, length, signal });
  if (stream === undefined) return undefined;
  const whole = Buffer.alloc(Math.min(length, BLOCK_BYTES));
  let filled = 0;
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      if (filled + piece.length > whole.length) throw wrongLength(hash);
      whole.set(piece, filled);
      filled += piece.length;
    }
  } finally {
    stream.destroy();
  }
  signal.throwIfAborted();
  if (filled !== length) throw wrongLength(hash);
  return whole;
}

function wrongLength(hash: ContentHash): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${hash}.zst is not as long as it says`);
}
