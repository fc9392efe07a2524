/** What decorators of a content cache have in common: every call of the contract is one of three kinds. */
import type { Readable } from 'node:stream';
import type { ContentHash } from '../oci/digest.ts';
import type {
  CacheCallOptions,
  ContentCache,
  ContentRange,
  StoreOptions,
  StoreResult,
  UnsizedStoreOptions,
} from './content-cache.ts';
import type { ChunkSource } from './chunk-source.ts';
import { tapChunks, type SourceTap } from './tapped-source.ts';

export type ReadContent = (hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>) => Promise<Readable | undefined>;

/** A store as a decorator sees it. */
export interface WriteCall<T> {
  readonly signal: AbortSignal;
  /** The source can be read from its start again. */
  readonly isRepeatable: boolean;
  readonly send: (hooks: WriteHooks) => Promise<T>;
}

export interface WriteHooks {
  readonly signal: AbortSignal;
  readonly tap?: SourceTap;
}

export interface Interception {
  /** A call that moves no content. */
  readonly look: <T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** A deletion; default: as `look`. */
  readonly remove?: <T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly read: (
    signal: AbortSignal,
    open: (signal: AbortSignal) => Promise<Readable | undefined>,
  ) => Promise<Readable | undefined>;
  readonly write: <T extends Pick<StoreResult, 'sentBytes'>>(call: WriteCall<T>) => Promise<T>;
}

/** `inner` with every call led through `by`. What `inner` cannot do, the result cannot either. */
export function intercept(inner: ContentCache, by: Interception): ContentCache {
  const read = readerOf(inner);
  return {
    url: inner.url,
    // A driver may learn more about its server while it works.
    get capabilities() {
      return inner.capabilities;
    },
    contentExists: (hash, { signal }) => by.look(signal, (until) => inner.contentExists(hash, { signal: until })),
    getContent: asGetContent((hash, options) => by.read(options.signal, (signal) => read(hash, { ...options, signal }))),
    storeContent: (source, hash, options) => by.write(storeCall(inner, { source, hash, options })),
    ...optionalCalls(inner, by),
    close: () => inner.close(),
  };
}

/** getContent without its overloads. */
export function readerOf(cache: ContentCache): ReadContent {
  return cache.getContent.bind(cache);
}

/** A reader as the contract has it: ranges are unverified whatever reads them. */
export function asGetContent(read: ReadContent): ContentCache['getContent'] {
  return read as ContentCache['getContent'];
}

interface Store {
  readonly source: Parameters<ContentCache['storeContent']>[0];
  readonly hash: ContentHash;
  readonly options: StoreOptions;
}

function storeCall(inner: ContentCache, { source, hash, options }: Store): WriteCall<StoreResult> {
  return {
    signal: options.signal,
    isRepeatable: isRepeatable(source),
    send: (hooks) => inner.storeContent(tapped(source, hooks), hash, { ...options, signal: hooks.signal }),
  };
}

function tapped(source: ChunkSource, { tap }: WriteHooks): ChunkSource {
  return tap === undefined ? source : tapChunks(source, tap);
}

function optionalCalls(
  inner: ContentCache,
  by: Interception,
): Pick<ContentCache, 'deleteContent' | 'listContent' | 'storeUnsized'> {
  const deleteContent = inner.deleteContent?.bind(inner);
  const listContent = inner.listContent?.bind(inner);
  const storeUnsized = inner.storeUnsized?.bind(inner);
  return {
    ...(storeUnsized === undefined
      ? {}
      : {
          storeUnsized: (source: ChunkSource, hash: ContentHash, options: UnsizedStoreOptions) =>
            by.write({
              signal: options.signal,
              isRepeatable: isRepeatable(source),
              send: (hooks) => storeUnsized(tapped(source, hooks), hash, { ...options, signal: hooks.signal }),
            }),
        }),
    ...(deleteContent === undefined
      ? {}
      : {
          deleteContent: (hash: ContentHash, { signal }: CacheCallOptions) =>
            (by.remove ?? by.look)(signal, (until) => deleteContent(hash, { signal: until })),
        }),
    ...(listContent === undefined ? {} : { listContent }),
  };
}

/** A generator is its own iterator: what it has given it does not give again. */
function isRepeatable(source: AsyncIterable<unknown> & Pick<ChunkSource, 'isOnePass'>): boolean {
  return !('next' in source) && source.isOnePass !== true;
}
