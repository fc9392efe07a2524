/**
 * The library behind `clipctl`: `openCache()`, the types it speaks, the errors it throws.
 *
 * ```ts
 * import { openCache } from 'clipctl';
 * const cache = openCache({ cacheDir: '/var/cache/clipctl' });
 * await cache.warm({ images: ['debian:12'] });
 * await cache.close();
 * ```
 */
export { openCache, type Cache, type CacheOptions, type DiskOperations } from './lib/operations/open-cache.ts';
export { ClipctlError, ERROR_CODES, errorClassOf, isRetryable, type ErrorClass, type ErrorCode } from './lib/errors.ts';
export { streamFileInChunks } from './lib/cache/stream-file.ts';
export { CHUNK_BYTES, type Chunk, type ChunkSource } from './lib/cache/chunk-source.ts';
export type {
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from './lib/cache/content-cache.ts';
export type { ContentHash, DiffId, Digest } from './lib/oci/digest.ts';
export type { Platform } from './lib/oci/platform.ts';
export type { ProgressEvent, ProgressListener } from './lib/pipeline/progress.ts';
export type { PruneRequest } from './lib/operations/cache-prune.ts';
export type { CacheVerifyRequest } from './lib/operations/cache-verify.ts';
export type { IndexRequest } from './lib/operations/index-request.ts';
export type { InspectRequest } from './lib/operations/inspect.ts';
export type { PushRequest } from './lib/operations/push-cache.ts';
export type { WarmRequest } from './lib/operations/warm.ts';
export type * from './lib/operations/cache-results.ts';
export type * from './lib/operations/results.ts';
