/** A remote that is only read, or only written. No request of the other kind is ever made. */
import type { CacheCallOptions, ContentCache, StoreResult } from './content-cache.ts';
import { asGetContent } from './intercept.ts';

/** What a remote may be used for. */
export type AccessMode = 'ro' | 'rw' | 'wo';

/** `ro`: a store is skipped, and says so. `wo`: everything is a miss. */
export function withAccessMode(inner: ContentCache, mode: AccessMode): ContentCache {
  if (mode === 'rw') return inner;
  return mode === 'ro' ? readOnly(inner) : writeOnly(inner);
}

function readOnly(inner: ContentCache): ContentCache {
  const listContent = inner.listContent?.bind(inner);
  const skip = (_source: unknown, _hash: unknown, { signal }: CacheCallOptions): Promise<StoreResult> => {
    signal.throwIfAborted();
    return Promise.resolve({ sentBytes: 0, chunks: 0, skipped: true, readOnly: true });
  };
  return {
    url: inner.url,
    get capabilities() {
      return { ...inner.capabilities, delete: false };
    },
    contentExists: (hash, options) => inner.contentExists(hash, options),
    getContent: inner.getContent.bind(inner),
    storeContent: skip,
    ...(inner.storeUnsized === undefined ? {} : { storeUnsized: skip }),
    ...(listContent === undefined ? {} : { listContent }),
    close: () => inner.close(),
  };
}

function writeOnly(inner: ContentCache): ContentCache {
  const deleteContent = inner.deleteContent?.bind(inner);
  const storeUnsized = inner.storeUnsized?.bind(inner);
  const miss = (_hash: unknown, { signal }: { readonly signal: AbortSignal }): Promise<undefined> => {
    signal.throwIfAborted();
    return Promise.resolve(undefined);
  };
  return {
    url: inner.url,
    get capabilities() {
      return { ...inner.capabilities, list: false };
    },
    contentExists: miss,
    getContent: asGetContent(miss),
    storeContent: (source, hash, options) => inner.storeContent(source, hash, options),
    ...(storeUnsized === undefined ? {} : { storeUnsized }),
    ...(deleteContent === undefined ? {} : { deleteContent }),
    close: () => inner.close(),
  };
}
