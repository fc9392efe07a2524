/**
 * The one definition of a content cache. The disk cache and every remote implement it; test/conformance/content-cache.ts
 * says what must hold. The key is always the sha256 of the plain content (for a layer: its diffID).
 */
import type { Readable } from 'node:stream';
import type { FrameEncoder } from '../compression/zstd/frame-encoder.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { ChunkSource } from './chunk-source.ts';

/** Facts about a cache, as data: callers ask these instead of which driver it is. */
export interface CacheCapabilities {
  /** getContent with a range reads only that range. */
  readonly ranges: boolean;
  readonly list: boolean;
  readonly delete: boolean;
  /** storeContent creates only when absent, atomically on the server. */
  readonly conditionalPut: boolean;
  /** A store may name an encoder, and reads find what it packed. */
  readonly encoding?: true;
}

declare const unverifiedBrand: unique symbol;
/** Bytes of a range: nothing has been checked. Only cache/tiered may turn them into trusted bytes. */
export type Unverified<T> = T & { readonly [unverifiedBrand]: true };

export interface CacheCallOptions {
  readonly signal: AbortSignal;
}

export interface ContentInfo {
  readonly sizeBytes: number;
}

export interface ContentRange {
  readonly offset: number;
  readonly length: number;
}

export interface UnsizedStoreOptions extends CacheCallOptions {
  /** Where `capabilities.encoding`: stores the packed form (`<hash>.zst`). Others store the plain one. */
  readonly encoder?: FrameEncoder;
}

export interface StoreOptions extends UnsizedStoreOptions {
  readonly sizeBytes: number;
  /** What stands there is known to be wrong: it is overwritten, not skipped. */
  readonly replace?: boolean;
}

export interface StoreResult {
  /** Bytes that went out (0 when skipped). */
  readonly sentBytes: number;
  readonly chunks: number;
  /** True when nothing was sent: the content stood there already, or the remote is only read. */
  readonly skipped: boolean;
  /** True when nothing was sent because the remote is only read (mode `ro`). */
  readonly readOnly?: true;
}

/**
 * A second form of content that a driver can keep beside the plain one, named `<hash>.zst` (FORMATS.md §3). The driver
 * knows nothing about the encoding, and nothing is verified here: who encodes and decodes does that.
 */
export interface EncodedContents {
  /** What `store` needs of memory besides the pieces; the caller lends it. */
  readonly memoryBytes: number;
  /** Size of the stored form. */
  exists(hash: ContentHash, options: CacheCallOptions): Promise<ContentInfo | undefined>;
  /** The stored form or a range of it, cut at its end. `undefined` = miss. */
  get(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined>;
  /**
   * Stores what `pieces` yields; its size is known at its end only. A piece is valid until the next one is asked for.
   * Visible only when `pieces` has ended without an error; what stood there is replaced. `pieces` is iterated once.
   */
  store(
    pieces: AsyncIterable<Uint8Array>,
    hash: ContentHash,
    options: CacheCallOptions & { readonly memory: Buffer },
  ): Promise<Pick<StoreResult, 'sentBytes' | 'chunks'>>;
  /** False when it was not there. */
  delete(hash: ContentHash, options: CacheCallOptions): Promise<boolean>;
}

export interface ContentCache {
  /** As printed: without credentials. */
  readonly url: string;
  readonly capabilities: CacheCapabilities;
  /** `undefined` = miss; anything else that went wrong throws. */
  contentExists(hash: ContentHash, options: CacheCallOptions): Promise<ContentInfo | undefined>;
  /**
   * The whole content; the stream fails with CACHE_CORRUPT before its end when the bytes do not have the hash.
   * `undefined` = miss. Destroying the stream early frees its handles.
   */
  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  /**
   * A range, cut at the end of the content (one wholly past the end is an empty stream). Nothing is verified.
   * `undefined` = miss.
   */
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  /**
   * Stores the content of `source`. Visible only when complete and right: `sizeBytes` and `hash` are checked on the
   * bytes as they are sent. Idempotent.
   * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, and what the source or the storage throws
   */
  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult>;
  /**
   * storeContent for content whose size only its end tells. Present where the server takes such content.
   * @throws as storeContent
   */
  storeUnsized?(source: ChunkSource, hash: ContentHash, options: UnsizedStoreOptions): Promise<StoreResult>;
  /** Present where another form may stand beside the plain one. */
  readonly encoded?: EncodedContents;
  /** Present when `capabilities.delete`. False when it was not there. */
  deleteContent?(hash: ContentHash, options: CacheCallOptions): Promise<boolean>;
  /** Present when `capabilities.list`. Committed content only. */
  listContent?(options: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo>;
  close(): Promise<void>;
}
