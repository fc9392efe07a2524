/**
 * The disk cache: `<cache-dir>/<64 hex>` is a decompressed layer, which Go CLIP opens unchecked (FORMATS §2). So the name
 * appears last. Reading needs no write: a missing directory is a cache of misses.
 */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ContentHash, Digest } from '../../oci/digest.ts';
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
import { readFileRange, readWholeFile, requireRange } from '../file-readable.ts';
import { hashFile, type FileHash } from '../hash-file.ts';
import { listContentFiles } from '../list-content-files.ts';
import { openRegularFile } from '../regular-file.ts';
import { piecesOfSource, writeVerified } from '../write-verified.ts';
import { locksDirectory } from './cache-layout.ts';
import { CacheRoom } from './cache-room.ts';
import type { DiskCacheOptions } from './disk-cache-options.ts';
import { DirectoryGuard } from './directory-guard.ts';
import { holdLayout } from './held-layout.ts';
import { writeImageRecord, type ImageRecord } from './image-records.ts';
import type { Durability, IngestFile, IngestWish } from './ingest-file.ts';
import { KeyedTurns } from './keyed-turns.ts';
import { dropLayer, hashAndAdopt } from './layer-check.ts';
import { lookAtLayer } from './layer-file.ts';
import type { DigestSeen } from './layer-record.ts';
import { LayerRecords } from './layer-records.ts';
import { beginLayer } from './ingest/begin-layer.ts';
import { removeLeftovers } from './ingest/leftovers.ts';
import { Lease } from './lease.ts';
import { UseClock } from './use-clock.ts';
import { LayerTurns, type TurnOptions } from './lock/layer-turns.ts';

/**
 * `verified`: it is the file that was verified, by size, inode and mtime. `unverified`: a file nobody vouches for (Go
 * CLIP or a copy made it). `bad`: no regular file, or one that its owner may not read.
 */
export type LayerState = 'verified' | 'unverified' | 'bad' | 'missing';

/** Opens without touching the disk; the directory is made by the first write. */
export function openDiskCache(directory: string, options: DiskCacheOptions): DiskCache {
  return new DiskCache(directory, options);
}

export class DiskCache implements ContentCache {
  readonly directory: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: true };
  readonly #hashFile: FileHash;
  readonly #turns = new KeyedTurns();
  readonly #durability: Durability;
  readonly #records: LayerRecords;
  readonly #lease: Lease;
  readonly #clock: UseClock;
  readonly #guard: DirectoryGuard;
  readonly #layerTurns: LayerTurns;
  readonly #releaseLayout: () => void;
  /** What has to go before something may come. */
  readonly room: CacheRoom;

  constructor(directory: string, options: DiskCacheOptions) {
    const { budget, durability = 'full', locks = 'auto', lockTimeoutMs = Infinity, shared = false } = options;
    this.directory = directory;
    this.#releaseLayout = holdLayout(directory);
    this.#hashFile = options.hashFile ?? ((path, { signal }) => hashFile(path, { budget, signal }));
    this.#durability = durability;
    this.#guard = new DirectoryGuard(directory, { shared });
    this.#layerTurns = new LayerTurns(() => locksDirectory(directory), { kind: locks, timeoutMs: lockTimeoutMs });
    this.#clock = new UseClock(directory, options);
    this.#records = new LayerRecords(directory, this.#clock);
    this.#lease = new Lease(directory);
    this.room = new CacheRoom(directory, { ...options, clock: this.#clock, lease: this.#lease, turns: this.#layerTurns });
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
    await this.holdLayers([hash]);
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
    await this.storeStream(pieces, hash, { sizeBytes, signal, isLocked: false });
    return { sentBytes: sizeBytes, chunks, skipped: false };
  }

  /** Removes what killed processes left and nobody needs, until it is stopped. Never fails. */
  async removeLeftovers(signal: AbortSignal): Promise<void> {
    const options = { lockKind: this.#layerTurns.kind, stateOf: (hash: ContentHash) => this.checkLayer(hash), signal };
    if (await this.#guard.isUsable()) await removeLeftovers(this.directory, options);
  }

  /**
   * Runs `action` while no other process, and nobody else in this one, brings the same layer: ask again for the layer in
   * it, whoever was before may have brought it.
   * @throws ClipctlError LOCK_TIMEOUT, STORAGE_*, CACHE_VERSION; the signal's reason; what `action` throws
   */
  async withLayerLock<T>(hash: ContentHash, options: TurnOptions, action: () => Promise<T>): Promise<T> {
    await this.#guard.prepare();
    return this.#layerTurns.run(hash, options, action);
  }

  /**
   * Stores what `pieces` yields, checked while it is written; `isLocked`: the caller has the layer's lock.
   * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, STORAGE_*; and what `pieces` throws, as it is
   */
  async storeStream(
    pieces: AsyncIterable<Uint8Array>,
    hash: ContentHash,
    { sizeBytes, signal, isLocked = true }: StoreOptions & { readonly isLocked?: boolean },
  ): Promise<void> {
    signal.throwIfAborted();
    const ingest = await this.beginIngest({ sizeBytes, signal, ...(isLocked ? { hash } : {}) });
    try {
      await writeVerified(ingest, pieces, { hash, sizeBytes, signal, isFlushed: this.#durability === 'full' });
      await ingest.commit(hash, { sizeBytes, signal });
    } finally {
      await ingest.discard();
    }
  }

  /**
   * A file to write a layer into. Room is made for what is known of its size, and what can't fit is refused now.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION
   */
  async beginIngest(wish: IngestWish = {}): Promise<IngestFile> {
    await this.#guard.prepare();
    return beginLayer(this.directory, wish, {
      cache: this,
      records: this.#records,
      turns: this.#turns,
      durability: this.#durability,
      lockKind: wish.hash === undefined ? 'lease' : this.#layerTurns.kindOf(wish.hash),
      vouchFor: (hash, signal) => this.#hashAndAdopt(hash, signal),
    });
  }

  /** What is known of the layer without reading it. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async checkLayer(hash: ContentHash): Promise<LayerState> {
    await this.#guard.requireUsable();
    const found = await lookAtLayer(this.layerPath(hash));
    if (found === undefined || found === 'bad') return found ?? 'missing';
    return (await this.#records.isVerified(hash, found)) ? 'verified' : 'unverified';
  }

  /** Decompressed size of a verified layer; `undefined` = there is none. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async sizeOf(hash: ContentHash): Promise<number | undefined> {
    await this.#guard.requireUsable();
    const found = await lookAtLayer(this.layerPath(hash));
    if (found === undefined || found === 'bad') return undefined;
    return (await this.#records.isVerified(hash, found)) ? found.sizeBytes : undefined;
  }

  /** Size of a verified layer that is used now, as the content of `seen`; `undefined` = there is none. Throws as sizeOf does. */
  async useLayer(hash: ContentHash, seen: DigestSeen): Promise<number | undefined> {
    await this.holdLayers([hash]);
    const found = await lookAtLayer(this.layerPath(hash));
    if (found === undefined || found === 'bad') return undefined;
    const outcome = await this.#records.use(hash, found, seen);
    if (outcome === 'newForm') await this.recordDigest(hash, seen.digest, seen.compressedBytes);
    return outcome === false ? undefined : found.sizeBytes;
  }

  /**
   * Hashes the layer, and vouches for it from then on when its sha256 is its name. A bad file stays where it is: the
   * next commit replaces it.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION; the signal's reason
   */
  async verifyLayer(hash: ContentHash, { signal }: CacheCallOptions): Promise<'verified' | 'bad' | 'missing'> {
    await this.holdLayers([hash]);
    return this.#turns.run(hash, () => this.#hashAndAdopt(hash, signal));
  }

  #hashAndAdopt(hash: ContentHash, signal: AbortSignal): Promise<'verified' | 'bad' | 'missing'> {
    const prepare = (): Promise<void> => this.#guard.prepare();
    return hashAndAdopt(this.directory, hash, { records: this.#records, hashFile: this.#hashFile, prepare, signal });
  }

  /** Notes that a verified layer is the content of a compressed digest. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async recordDigest(hash: ContentHash, digest: Digest, compressedBytes: number): Promise<void> {
    await this.#guard.requireUsable();
    await this.#turns.run(hash, () => this.#records.addDigest(hash, { digest, compressedBytes }));
  }

  /** The compressed forms that the layer was seen in. @throws ClipctlError STORAGE_*, CACHE_VERSION */
  async digestsOf(hash: ContentHash): Promise<readonly DigestSeen[]> {
    await this.#guard.requireUsable();
    return this.#records.digestsOf(hash);
  }

  /** Notes a use of the layer, at most once a minute. @throws ClipctlError STORAGE_ERROR */
  async touchLayer(hash: ContentHash): Promise<void> {
    await this.holdLayers([hash]);
    await this.#records.touch(hash);
  }

  /**
   * Takes a lease: until this cache is closed nobody evicts these layers. One that is looked for afterwards and found
   * stays.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION
   */
  async holdLayers(hashes: readonly ContentHash[]): Promise<void> {
    await this.#guard.requireUsable();
    await this.#lease.hold(...hashes);
  }

  /** Remembers which image the layers are of. @throws ClipctlError STORAGE_ERROR, STORAGE_FULL */
  async rememberImage(image: ImageRecord): Promise<void> {
    await this.#guard.requireUsable();
    await writeImageRecord(this.directory, image, await this.#clock.tick());
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    signal.throwIfAborted();
    if ((await this.checkLayer(hash)) === 'missing') return false;
    await this.dropLayer(hash);
    return true;
  }

  /** Takes away what stands under the name of a layer: a link, not what it points to. @throws ClipctlError STORAGE_* */
  async dropLayer(hash: ContentHash): Promise<void> {
    await this.#guard.requireUsable();
    await dropLayer(this.directory, hash);
    await this.#records.disown(hash);
  }

  async *listContent({ signal }: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    await this.#guard.requireUsable();
    yield* listContentFiles(this.directory, signal);
  }

  async close(): Promise<void> {
    await this.#layerTurns.settled();
    await this.#turns.settled();
    await this.#clock
      .save()
      .finally(() => this.#lease.release())
      .finally(this.#releaseLayout);
  }
}
