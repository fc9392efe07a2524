/** Reading chunks in slices, several asked for before the first has come. */
import type { BufferBudget } from '../../buffer-budget.ts';
import { corruptAt } from '../remote-readable.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { RedisConnection } from './redis-connection.ts';
import { chunkKey, type RedisManifest } from './redis-keys.ts';

/** Small enough to need no lease one by one, and for the guard of replies. */
const SLICE_BYTES = 64 * 1024;
/** Under way at once while the budget has the room: 1 MiB. */
const AHEAD = 16;

export interface ValueSpan {
  readonly url: string;
  readonly hash: ContentHash;
  /** The hash, or that of the packed form. */
  readonly name: string;
  readonly manifest: RedisManifest;
  readonly start: number;
  /** Exclusive, within the content. */
  readonly end: number;
  readonly budget: BufferBudget;
  readonly signal: AbortSignal;
}

type Outcome = { readonly value: Buffer } | { readonly error: unknown };

/**
 * The bytes of the span, in order.
 * @throws ClipctlError CACHE_CORRUPT where a chunk is missing or short
 */
export async function* readValues(connection: RedisConnection, span: ValueSpan): AsyncGenerator<Buffer, void, undefined> {
  const lease = span.budget.tryAcquire(AHEAD * SLICE_BYTES);
  const ahead = lease === undefined ? 1 : AHEAD;
  const underWay: Promise<Outcome>[] = [];
  const slices = slicesOf(span);
  try {
    for (;;) {
      while (underWay.length < ahead) {
        const slice = slices.next();
        if (slice.done === true) break;
        underWay.push(readSlice(connection, slice.value, span));
      }
      const next = await underWay.shift();
      if (next === undefined) return;
      if ('error' in next) throw next.error;
      yield next.value;
    }
  } finally {
    void Promise.all(underWay).then(() => lease?.release());
  }
}

interface Slice {
  readonly index: number;
  /** Within the chunk; `last` is the last byte of it. */
  readonly first: number;
  readonly last: number;
}

function* slicesOf({ manifest, start, end }: ValueSpan): Generator<Slice, void, undefined> {
  const { chunkBytes } = manifest;
  for (let at = start; at < end;) {
    const index = Math.floor(at / chunkBytes);
    const first = at - index * chunkBytes;
    const length = Math.min(SLICE_BYTES, chunkBytes - first, end - at);
    yield { index, first, last: first + length - 1 };
    at += length;
  }
}

/** As a value: an error nobody waits for any more is no unhandled rejection. */
async function readSlice(connection: RedisConnection, { index, first, last }: Slice, span: ValueSpan): Promise<Outcome> {
  try {
    const value = await connection.call(['GETRANGE', chunkKey(span.name, index), first, last], span.signal);
    if (value instanceof Buffer && value.length === last - first + 1) return { value };
    return { error: corruptAt(span, `chunk ${index} is missing or short`) };
  } catch (error) {
    return { error };
  }
}
