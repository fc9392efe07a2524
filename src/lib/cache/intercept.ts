/** What decorators of a content cache have in common: every call of the contract is one of three kinds. */
import type { Readable } from 'node:stream';
import type { ContentHash } from '../oci/digest.ts';
import type {
  CacheCallOptions,
  ContentCache,
  ContentInfo,
  ContentRange,
  EncodedContents,
  SendOptions,
  StoreOptions,
  StoreResult,
} from './content-cache.ts';
import type { ChunkSource } from './chunk-source.ts';
import { tapChunks, tapPieces, type SourceTap } from './tapped-source.ts';

export type ReadContent = (hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>) => Promise<Readable | undefined>;

/** A store as a decorator sees it. */
export interface WriteCall<T> {
  readonly signal: AbortSignal;
  /** Of the plain content; undefined where it is not known. */
  readonly sizeBytes?: number;
  readonly onSent?: ((bytes: number) => void) | undefined;
  /** The source can be read from its start again. */
  readonly isRepeatable: boolean;
  send(hooks: WriteHooks): Promise<T>;
}

export interface WriteHooks {
  readonly signal: AbortSignal;
  readonly tap?: SourceTap;
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export interface Interception {
  /** A call that moves no content. */
  look<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T>;
  read(signal: AbortSignal, open: (signal: AbortSignal) => Promise<Readable | undefined>): Promise<Readable | undefined>;
  write<T extends Pick<StoreResult, 'sentBytes'>>(call: WriteCall<T>): Promise<T>;
}

/** `inner` with every call led through `by`. What `inner` cannot do, the result cannot either. */
export function intercept(inner: ContentCache, by: Interception): ContentCache {
  const read = readerOf(inner);
  const { encoded } = inner;
  return {
    url: inner.url,
    capabilities: inner.capabilities,
    contentExists: (hash, { signal }) => by.look(signal, (until) => inner.contentExists(hash, { signal: until })),
    getContent: asGetContent((hash, options) => by.read(options.signal, (signal) => read(hash, { ...options, signal }))),
    storeContent: (source, hash, options) => by.write(storeCall(inner, { source, hash, options })),
    ...(encoded === undefined ? {} : { encoded: interceptEncoded(encoded, by) }),
    ...optionalCalls(inner, by),
    close: () => inner.close(),
  };
}

/** getContent without its overloads. */
export function readerOf(cache: ContentCache): ReadContent {
  return cache.getContent.bind(cache) as ReadContent;
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
  const { signal, sizeBytes, onSent } = options;
  return {
    signal,
    sizeBytes,
    onSent,
    isRepeatable: isRepeatable(source),
    send: (hooks) => inner.storeContent(tapped(source, hooks), hash, { ...options, ...optionsOf(hooks) }),
  };
}

function tapped(source: ChunkSource, { tap }: WriteHooks): ChunkSource {
  return tap === undefined ? source : tapChunks(source, tap);
}

function interceptEncoded(inner: EncodedContents, by: Interception): EncodedContents {
  return {
    exists: (hash, { signal }) => by.look<ContentInfo | undefined>(signal, (until) => inner.exists(hash, { signal: until })),
    get: (hash, options) => by.read(options.signal, (signal) => inner.get(hash, { ...options, signal })),
    store: (pieces, hash, { signal, onSent }) =>
      by.write({
        signal,
        onSent,
        isRepeatable: isRepeatable(pieces),
        send: (hooks) => inner.store(hooks.tap === undefined ? pieces : tapPieces(pieces, hooks.tap), hash, optionsOf(hooks)),
      }),
    delete: (hash, { signal }) => by.look(signal, (until) => inner.delete(hash, { signal: until })),
  };
}

function optionalCalls(
  inner: ContentCache,
  by: Interception,
): Pick<ContentCache, 'deleteContent' | 'listContent' | 'storeUnsized'> {
  const { deleteContent, listContent, storeUnsized } = inner;
  return {
    ...(storeUnsized === undefined
      ? {}
      : {
          storeUnsized: (source: ChunkSource, hash: ContentHash, { signal, onSent }: SendOptions) =>
            by.write({
              signal,
              onSent,
              isRepeatable: isRepeatable(source),
              send: (hooks) => storeUnsized.call(inner, tapped(source, hooks), hash, optionsOf(hooks)),
            }),
        }),
    ...(deleteContent === undefined
      ? {}
      : {
          deleteContent: (hash: ContentHash, { signal }: CacheCallOptions) =>
            by.look(signal, (until) => deleteContent.call(inner, hash, { signal: until })),
        }),
    ...(listContent === undefined ? {} : { listContent: (options: CacheCallOptions) => listContent.call(inner, options) }),
  };
}

function optionsOf({ signal, onSent }: WriteHooks): SendOptions {
  return { signal, ...(onSent === undefined ? {} : { onSent }) };
}

/** A generator is its own iterator: what it has given it does not give again. */
function isRepeatable(source: AsyncIterable<unknown> & Pick<ChunkSource, 'isOnePass'>): boolean {
  return !('next' in source) && source.isOnePass !== true;
}
