/** What a run did with one remote cache, counted. */
import type { Readable } from 'node:stream';
import { errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import type { ContentCache } from './content-cache.ts';
import { intercept, type Interception } from './intercept.ts';
import { observeStream } from './observed-stream.ts';

export interface RemoteCounters {
  /** Calls that reached the driver, retries included. */
  requests: number;
  /** Contents and ranges that were opened for reading. */
  hits: number;
  misses: number;
  readBytes: number;
  writtenBytes: number;
  /** Calls and streams that failed, wrong bytes aside. */
  failures: number;
  /** Streams that had other bytes than their hash says. */
  corrupt: number;
}

export function newCounters(): RemoteCounters {
  return { requests: 0, hits: 0, misses: 0, readBytes: 0, writtenBytes: 0, failures: 0, corrupt: 0 };
}

const WRONG_BYTES: ReadonlySet<ErrorCode> = new Set(['CACHE_CORRUPT', 'DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** Counts what callers see: goes outside of all other decorators. */
export function accountedCache(inner: ContentCache, counters: RemoteCounters): ContentCache {
  return intercept(inner, {
    look: async (signal, call) => {
      const found = await counted(counters, () => call(signal));
      if (found === undefined) counters.misses += 1;
      return found;
    },
    read: async (signal, open) => {
      const stream = await counted(counters, () => open(signal));
      if (stream === undefined) counters.misses += 1;
      else counters.hits += 1;
      return stream === undefined ? undefined : countStream(stream, counters);
    },
    write: async ({ signal, send }) => {
      const result = await counted(counters, () => send({ signal }));
      counters.writtenBytes += result.sentBytes;
      return result;
    },
  });
}

/** Counts the calls that reach the driver: goes right around it. */
export function countRequests(inner: ContentCache, counters: RemoteCounters): ContentCache {
  const counting: Interception = {
    look: (signal, call) => ((counters.requests += 1), call(signal)),
    read: (signal, open) => ((counters.requests += 1), open(signal)),
    write: ({ signal, send }) => ((counters.requests += 1), send({ signal })),
  };
  return intercept(inner, counting);
}

async function counted<T>(counters: RemoteCounters, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isAbort(error)) counters.failures += 1;
    throw error;
  }
}

function countStream(stream: Readable, counters: RemoteCounters): Readable {
  return observeStream(stream, {
    onBytes: (bytes) => {
      counters.readBytes += bytes;
    },
    onEnd: () => undefined,
    onFailure: (error) => {
      if (isAbort(error)) return;
      if (WRONG_BYTES.has(errorCodeOf(error))) counters.corrupt += 1;
      else counters.failures += 1;
    },
  });
}
