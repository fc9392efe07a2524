/**
 * Ranges through the tiers. Whole content is proven by its hash; a part of it only by the 4 MiB digests of an index. So
 * a remote serves a range in whole spans of 4 MiB, each compared before a byte of it is given on, and without an index not at all.
 */
import { ClipctlError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { BufferBudget, LeasedBuffer } from './buffer-budget.ts';
import type { CacheCallOptions, ContentCache, ContentRange } from './content-cache.ts';
import { isSpanRight, isWholeMap, MAP_SPAN_BYTES, spanAt, type ContentMap } from './content-map.ts';
import { failureOf, type TierFailure } from './tiered.ts';

export interface RangeTiers extends CacheCallOptions {
  readonly disk: ContentCache;
  /** Nearest first. Those without `capabilities.ranges` are not asked. */
  readonly remotes: readonly ContentCache[];
  readonly budget: BufferBudget;
  /** From an index; without it no remote is asked. */
  readonly map: ContentMap | undefined;
  /** The tier behind the remotes: verified bytes of a range, from where the caches ended. */
  readonly beyond: (range: ContentRange) => AsyncIterable<Uint8Array>;
  readonly onFailure?: (failure: TierFailure) => void;
}

/**
 * The bytes of a range that lies within the content, in pieces; a piece is valid until the next one is asked for.
 * @throws what the disk and `beyond` throw; the signal's reason. Never what a remote throws
 */
export async function* readRange(
  hash: ContentHash,
  range: ContentRange,
  tiers: RangeTiers,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { disk, signal, map } = tiers;
  const onDisk = await disk.getContent(hash, { ...range, signal });
  if (onDisk !== undefined) {
    yield* onDisk as AsyncIterable<Uint8Array>;
    return;
  }
  const end = range.offset + range.length;
  let at = range.offset;
  const remotes = new Set(tiers.remotes.filter((remote) => remote.capabilities.ranges));
  while (map !== undefined && isWholeMap(map) && at < end && end <= map.uncompressedBytes) {
    const index = Math.floor(at / MAP_SPAN_BYTES);
    const lease = await readSpanOfAny(hash, index, { ...tiers, map, remotes });
    if (lease === undefined) break;
    try {
      const span = spanAt(map, index);
      const until = Math.min(end, span.offset + span.length);
      yield lease.buffer.subarray(at - span.offset, until - span.offset);
      at = until;
    } finally {
      lease.release();
    }
  }
  if (at < end) yield* tiers.beyond({ offset: at, length: end - at });
}

interface SpanTiers extends RangeTiers {
  readonly map: ContentMap;
}

/** A remote that failed or lied is not asked for the rest of the range. */
async function readSpanOfAny(
  hash: ContentHash,
  index: number,
  tiers: Omit<SpanTiers, 'remotes'> & { readonly remotes: Set<ContentCache> },
): Promise<LeasedBuffer | undefined> {
  for (const remote of tiers.remotes) {
    const lease = await tiers.budget.acquireBuffer(MAP_SPAN_BYTES, tiers.signal);
    try {
      if ((await readSpan(remote, hash, { ...tiers, index, into: lease.buffer })) === 'right') return lease;
    } catch (error) {
      lease.release();
      tiers.onFailure?.(failureOf(remote, error, tiers.signal));
      tiers.remotes.delete(remote);
      continue;
    }
    lease.release();
    tiers.remotes.delete(remote);
  }
  return undefined;
}

export interface ReadSpanOptions extends CacheCallOptions {
  readonly map: ContentMap;
  readonly index: number;
  /** At least as long as the span. */
  readonly into: Buffer;
}

/**
 * Reads one span of 4 MiB into a buffer and compares it.
 * @throws ClipctlError CACHE_CORRUPT for wrong bytes or too few, and what the cache throws
 */
export async function readSpan(
  cache: ContentCache,
  hash: ContentHash,
  { map, index, into, signal }: ReadSpanOptions,
): Promise<'right' | 'missing'> {
  const { offset, length } = spanAt(map, index);
  const stream = await cache.getContent(hash, { offset, length, signal });
  if (stream === undefined) return 'missing';
  let filled = 0;
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      if (filled + piece.length > length) throw wrongSpan(hash, offset, 'too many bytes');
      into.set(piece, filled);
      filled += piece.length;
    }
  } finally {
    stream.destroy();
  }
  signal.throwIfAborted();
  if (filled < length) throw wrongSpan(hash, offset, `${filled} of ${length} bytes`);
  if (!isSpanRight(map, index, into.subarray(0, length))) throw wrongSpan(hash, offset, 'other bytes than the index says');
  return 'right';
}

function wrongSpan(hash: ContentHash, offset: number, what: string): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `content ${hash} has ${what} at offset ${offset}`, { details: { hash, offset } });
}
