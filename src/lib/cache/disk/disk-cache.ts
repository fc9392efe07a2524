/**
 * The disk cache: `<cache-dir>/<64 hex>` is a decompressed layer under the sha256 of its content, which Go CLIP opens
 * unchecked (FORMATS §2). So the name appears last. Reading needs no write: a missing directory is a cache of misses.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { storageError } from '../../errors.ts';
import type { ContentHash, Digest } from '../../oci/digest.ts';
import type { BufferBudget } from '../buffer-budget.ts';
import type { ChunkSource } from '../chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../content-cache.ts';
import { hashFile } from '../hash-file.ts';
import { readFileRange, readWholeFile, requireRange } from '../file-readable.ts';
import { listContentFiles } from '../list-content-files.ts';
import { isSameIdentity, lookAtFile, openRegularFile } from '../regular-file.ts';
import { piecesOfSource, writeVerified } from '../write-verified.ts';
import { locksDirectory, prepareCacheDirectory, requireKnownVersion } from './cache-layout.ts';
import { requireFreeSpace } from './free-space.ts';
import {
  createIngestFile,
  discardIngestFile,
  flushIngestFile,
  publishIngestFile,
  suspendIngestFile,
  type CommitOptions,
  type CreatedFile,
  type Durability,
  type IngestFile,
  type IngestWish,
} from './ingest-file.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { DigestSeen } from './layer-record.ts';
import { LayerRecords } from './layer-records.ts';
import { removeLeftovers } from './ingest/leftovers.ts';
import { LayerTurns, type TurnOptions } from './lock/layer-turns.ts';

/**
 * `verified`: it is the file that was verified, by size, inode and mtime. `unverified`: a file nobody vouches for (Go
 * CLIP or a copy made it). `bad`: no regular file.
 */
export type LayerState = 'verified' | 'unverified' | 'bad' | 'missing';

export interface DiskCacheOptions {
  /** Lends the buffers that verifyLayer hashes with. */
  readonly budget: BufferBudget;
  /** `none`: no flush; a power loss may leave wrong files, which `verify` finds. Default `full`. */
  readonly durability?: Durability;
  /** `lease` leaves the kernel's locks out. Default `auto`. */
  readonly locks?: 'auto' | 'lease';
  /** Waiting for another process ends with LOCK_TIMEOUT after so long; default: as long as it lives. */
  readonly lockTimeoutMs?: number;
}

/** Opens without touching the disk; the directory is made by the first write. */
export function openDiskCache(directory: string, options: DiskCacheOptions): DiskCache {
  return new DiskCache(directory, options);
}

export class DiskCache implements ContentCache {
  readonly directory: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: true };
  readonly #budget: BufferBudget;
  readonly #turns = new KeyedTurns();
  readonly #durability: Durability;
  readonly #records: LayerRecords;
  readonly #layerTurns: LayerTurns;
  #versionKnown = false;
  #prepared = false;

  constructor(directory: string, options: DiskCacheOptions) {
    const { budget, durability = 'full', locks = 'auto', lockTimeoutMs = Infinity } = options;
    this.directory = directory;
    this.#budget = budget;
    this.#durability = durability;
    this.#layerTurns = new LayerTurns(locksDirectory(directory), { kind: locks, timeoutMs: lockTimeoutMs });
    this.#records = new LayerRecords(directory);
  }

  get url(): string {
    return this.directory;
  }

  /** Where the layer stands or will stand. */
  layerPath(hash: ContentHash): string {
    return join(this.directory, hash);
  }

  /** Verified content only: a file nobody vouches for is a miss here (see checkLayer). */
  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    signal.throwIfAborted();
    const sizeBytes = await this.sizeOf(hash);
    return sizeBytes === undefined ? undefined : { sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  /** The whole content may be one nobody vouches for: it is hashed on the way out. A range must be of verified content. */
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    options.signal.throwIfAborted();
    await this.#requireVersion();
    if (range !== undefined && (await this.checkLayer(hash)) !== 'verified') return undefined;
    await this.touchLayer(hash);
    const file = await openRegularFile(this.layerPath(hash));
    if (file === undefined) return undefined;
    if (range === undefined) return readWholeFile(file, hash, options);
    return readFileRange(file, { ...range, signal: options.signal });
  }

  async storeContent(source: ChunkSource, hash: ContentHash, { sizeBytes, signal }: StoreOptions): Promise<StoreResult> {
    if ((await this.contentExists(hash, { signal })) !== undefined) {
      await this.touchLayer(hash);
      return { sentBytes: 0, chunks: 0, skipped: true };
    }
    let chunks = 0;
    // Without the lock: who calls this has the bytes already, and waiting would save nothing.
    const pieces = piecesOfSource(source, () => (chunks += 1));
    await this.#storePieces(pieces, hash, { sizeBytes, signal, isLocked: false });
    return { sentBytes: sizeBytes, chunks, skipped: false };
  }

  /** Removes what killed processes left and nobody needs. Never fails. */
  async removeLeftovers(): Promise<void> {
    const isCommitted = async (hash: ContentHash): Promise<boolean> => (await this.checkLayer(hash)) === 'verified';
    await removeLeftovers(this.directory, { lockKind: this.#layerTurns.kind, isCommitted });
  }

  /**
   * Runs `action` while no other process, and nobody else in this one, brings the same layer: ask again for the layer in
   * it, whoever was before may have brought it.
   * @throws ClipctlError LOCK_TIMEOUT, STORAGE_*, CACHE_VERSION; the signal's reason; what `action` throws
   */
  async withLayerLock<T>(hash: ContentHash, options: TurnOptions, action: () => Promise<T>): Promise<T> {
    await this.#prepare();
    return this.#layerTurns.run(hash, options, action);
  }

  /**
   * Stores what `pieces` yields, checked while it is written. The caller has the layer's lock.
   * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, STORAGE_*; and what `pieces` throws, as it is
   */
  async storeStream(pieces: AsyncIterable<Uint8Array>, hash: ContentHash, options: StoreOptions): Promise<void> {
    await this.#storePieces(pieces, hash, { ...options, isLocked: true });
  }

  async #storePieces(
    pieces: AsyncIterable<Uint8Array>,
    hash: ContentHash,
    { sizeBytes, signal, isLocked }: StoreOptions & { readonly isLocked: boolean },
  ): Promise<void> {
    signal.throwIfAborted();
    const ingest = await this.beginIngest({ sizeBytes, ...(isLocked ? { hash } : {}) });
    try {
      await writeVerified(ingest.path, pieces, { hash, sizeBytes, signal, isFlushed: this.#durability === 'full' });
      await ingest.commit(hash, { sizeBytes, signal });
    } finally {
      await ingest.discard();
    }
  }

  /**
   * A file to write a layer into.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION
   */
  async beginIngest(wish: IngestWish = {}): Promise<IngestFile> {
    await this.#prepare();
    if (wish.sizeBytes !== undefined) await requireFreeSpace(this.directory, wish.sizeBytes);
    const lockKind = wish.hash === undefined ? 'lease' : this.#layerTurns.kindOf(wish.hash);
    const created = await createIngestFile(this.directory, wish, lockKind);
    return {
      ...created,
      durability: this.#durability,
      commit: (hash, options) => this.#turns.run(hash, () => this.#commit(created, hash, options)),
      discard: () => discardIngestFile(created.path),
      suspend: () => suspendIngestFile(created.path, wish.transfer),
    };
  }

  async #commit(created: CreatedFile, hash: ContentHash, options: CommitOptions): Promise<void> {
    const identity = await flushIngestFile(created, hash, { sizeBytes: options.sizeBytes, durability: this.#durability });
    options.signal.throwIfAborted();
    const isTheirsGood = async (): Promise<boolean> => (await this.checkLayer(hash)) === 'verified';
    const outcome = await publishIngestFile(created.path, this.layerPath(hash), { isTheirsGood, durability: this.#durability });
    await discardIngestFile(created.path);
    if (outcome === 'published') await this.#records.write(hash, identity, options.digestSeen);
    else if (options.digestSeen !== undefined) await this.#records.addDigest(hash, options.digestSeen);
    // Two processes that replace one file at once may leave the record of the one beside the file of the other.
    if ((await this.checkLayer(hash)) === 'unverified') await this.#hashAndAdopt(hash, options.signal);
  }

  /** What is known of the layer without reading it. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async checkLayer(hash: ContentHash): Promise<LayerState> {
    await this.#requireVersion();
    const found = await lookAtFile(this.layerPath(hash));
    if (found === undefined) return 'missing';
    if (found === 'other') return 'bad';
    return (await this.#records.isVerified(hash, found)) ? 'verified' : 'unverified';
  }

  /** Decompressed size of a verified layer; `undefined` = there is none. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async sizeOf(hash: ContentHash): Promise<number | undefined> {
    await this.#requireVersion();
    const found = await lookAtFile(this.layerPath(hash));
    if (found === undefined || found === 'other') return undefined;
    return (await this.#records.isVerified(hash, found)) ? found.sizeBytes : undefined;
  }

  /**
   * Hashes the layer, and vouches for it from then on when its sha256 is its name. A bad file stays where it is: the
   * next commit replaces it.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION; the signal's reason
   */
  async verifyLayer(hash: ContentHash, { signal }: CacheCallOptions): Promise<'verified' | 'bad' | 'missing'> {
    await this.#requireVersion();
    return this.#turns.run(hash, () => this.#hashAndAdopt(hash, signal));
  }

  async #hashAndAdopt(hash: ContentHash, signal: AbortSignal): Promise<'verified' | 'bad' | 'missing'> {
    const path = this.layerPath(hash);
    const before = await lookAtFile(path);
    if (before === undefined) return 'missing';
    if (before === 'other') return 'bad';
    const found = await hashFile(path, { budget: this.#budget, signal });
    const after = await lookAtFile(path);
    if (after === undefined) return 'missing';
    if (after === 'other') return 'bad';
    if (!isSameIdentity(before, after)) return (await this.#records.isVerified(hash, after)) ? 'verified' : 'bad';
    if (found === hash) await this.#records.adopt(hash, after, () => this.#prepare());
    else await this.#records.disown(hash);
    return found === hash ? 'verified' : 'bad';
  }

  /** Notes that a verified layer is the content of a compressed digest. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async recordDigest(hash: ContentHash, digest: Digest, compressedBytes: number): Promise<void> {
    await this.#requireVersion();
    await this.#turns.run(hash, () => this.#records.addDigest(hash, { digest, compressedBytes }));
  }

  /** The compressed forms that the layer was seen in. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async digestsOf(hash: ContentHash): Promise<readonly DigestSeen[]> {
    await this.#requireVersion();
    return this.#records.digestsOf(hash);
  }

  /** Notes a use of the layer, at most once an hour. @throws ClipctlError STORAGE_ERROR */
  touchLayer(hash: ContentHash): Promise<void> {
    return this.#records.touch(hash);
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    signal.throwIfAborted();
    if ((await this.checkLayer(hash)) === 'missing') return false;
    try {
      await rm(this.layerPath(hash), { force: true });
    } catch (error) {
      throw storageError(error, this.layerPath(hash), 'remove');
    }
    await this.#records.disown(hash);
    return true;
  }

  async *listContent({ signal }: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    await this.#requireVersion();
    yield* listContentFiles(this.directory, signal);
  }

  async close(): Promise<void> {
    await this.#layerTurns.settled();
    await this.#turns.settled();
  }

  async #requireVersion(): Promise<void> {
    if (this.#versionKnown) return;
    await requireKnownVersion(this.directory);
    this.#versionKnown = true;
  }

  async #prepare(): Promise<void> {
    await this.#requireVersion();
    if (this.#prepared) return;
    await prepareCacheDirectory(this.directory);
    this.#prepared = true;
  }
}
