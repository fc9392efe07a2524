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
import { readFileRange, readWholeFile, requireRange } from '../file-readable.ts';
import { listContentFiles } from '../list-content-files.ts';
import { lookAtFile, openRegularFile } from '../regular-file.ts';
import { piecesOfSource, writeVerified } from '../write-verified.ts';
import { prepareCacheDirectory, requireKnownVersion, requireTrustedOwner } from './cache-layout.ts';
import { CacheRoom, type KnownSize, type RoomOptions } from './cache-room.ts';
import { writeImageRecord, type ImageRecord } from './image-records.ts';
import {
  createIngestFile,
  discardIngestFile,
  flushIngestFile,
  publishIngestFile,
  type CommitOptions,
  type IngestFile,
} from './ingest-file.ts';
import { KeyedTurns } from './keyed-turns.ts';
import { hashAndAdopt } from './layer-check.ts';
import type { DigestSeen } from './layer-record.ts';
import { LayerRecords } from './layer-records.ts';
import { Lease } from './lease.ts';
import { UseClock, type UseClockOptions } from './use-clock.ts';

/**
 * `verified`: it is the file that was verified, by size, inode and mtime. `unverified`: a file nobody vouches for (Go
 * CLIP or a copy made it). `bad`: no regular file.
 */
export type LayerState = 'verified' | 'unverified' | 'bad' | 'missing';

export interface DiskCacheOptions extends Omit<RoomOptions, 'clock' | 'lease'>, UseClockOptions {
  /** Lends the buffers that verifyLayer hashes with. */
  readonly budget: BufferBudget;
  /** Of a group: the directory is made for it, and may belong to another member. */
  readonly shared?: boolean;
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
  readonly #records: LayerRecords;
  readonly #lease: Lease;
  readonly #clock: UseClock;
  readonly #shared: boolean;
  /** What has to go before something may come. */
  readonly room: CacheRoom;
  #versionKnown = false;
  #prepared = false;

  constructor(directory: string, { budget, shared = false, wallClock, ...space }: DiskCacheOptions) {
    this.directory = directory;
    this.#budget = budget;
    this.#shared = shared;
    this.#clock = new UseClock(directory, wallClock === undefined ? {} : { wallClock });
    this.#records = new LayerRecords(directory, this.#clock);
    this.#lease = new Lease(directory);
    this.room = new CacheRoom(directory, { ...space, clock: this.#clock, lease: this.#lease });
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
    await this.storeStream(
      piecesOfSource(source, () => (chunks += 1)),
      hash,
      { sizeBytes, signal },
    );
    return { sentBytes: sizeBytes, chunks, skipped: false };
  }

  /**
   * Stores what `pieces` yields, checked while it is written.
   * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, STORAGE_*; and what `pieces` throws, as it is
   */
  async storeStream(pieces: AsyncIterable<Uint8Array>, hash: ContentHash, { sizeBytes, signal }: StoreOptions): Promise<void> {
    signal.throwIfAborted();
    const ingest = await this.beginIngest({ sizeBytes });
    try {
      await writeVerified(ingest.path, pieces, { hash, sizeBytes, signal });
      await ingest.commit(hash, { sizeBytes, signal });
    } finally {
      await ingest.discard();
    }
  }

  /**
   * A file to write a layer into. Say `sizeBytes` where it is known, or what it is at least: room is made for it, and
   * what can't fit is refused now.
   * @throws ClipctlError STORAGE_*, CACHE_VERSION
   */
  async beginIngest(known: KnownSize = {}): Promise<IngestFile> {
    await this.#prepare();
    await this.room.makeFor(known);
    const created = await createIngestFile(this.directory);
    return {
      path: created.path,
      commit: (hash, options) => this.#turns.run(hash, () => this.#commit(created, hash, options)),
      discard: () => discardIngestFile(created.path),
    };
  }

  async #commit(created: { path: string; inode: number }, hash: ContentHash, options: CommitOptions): Promise<void> {
    const identity = await flushIngestFile(created, hash, options.sizeBytes);
    options.signal.throwIfAborted();
    await this.holdLayers([hash]);
    const isTheirsGood = async (): Promise<boolean> => (await this.checkLayer(hash)) === 'verified';
    const outcome = await publishIngestFile(created.path, this.layerPath(hash), isTheirsGood);
    await discardIngestFile(created.path);
    if (outcome === 'published') await this.#records.write(hash, identity, options.digestSeen);
    else if (options.digestSeen !== undefined) await this.#records.addDigest(hash, options.digestSeen);
    // Two processes that replace one file at once may leave the record of the one beside the file of the other.
    if ((await this.checkLayer(hash)) === 'unverified') await this.#hashAndAdopt(hash, options.signal);
    await this.room.settle(outcome === 'published' ? identity.sizeBytes : 0, { signal: options.signal });
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
    await this.holdLayers([hash]);
    return this.#turns.run(hash, () => this.#hashAndAdopt(hash, signal));
  }

  #hashAndAdopt(hash: ContentHash, signal: AbortSignal): Promise<'verified' | 'bad' | 'missing'> {
    const prepare = (): Promise<void> => this.#prepare();
    return hashAndAdopt(this.directory, hash, { records: this.#records, budget: this.#budget, prepare, signal });
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
    await this.#requireVersion();
    await this.#lease.hold(...hashes);
  }

  /** Remembers which image the layers are of. @throws ClipctlError STORAGE_ERROR, STORAGE_FULL */
  async rememberImage(image: ImageRecord): Promise<void> {
    await this.#requireVersion();
    await writeImageRecord(this.directory, image, await this.#clock.tick());
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
    await this.#turns.settled();
    await this.#clock.save();
    await this.#lease.release();
  }

  async #requireVersion(): Promise<void> {
    if (this.#versionKnown) return;
    await requireTrustedOwner(this.directory, { shared: this.#shared });
    await requireKnownVersion(this.directory);
    this.#versionKnown = true;
  }

  async #prepare(): Promise<void> {
    await this.#requireVersion();
    if (this.#prepared) return;
    await prepareCacheDirectory(this.directory, { shared: this.#shared });
    this.#prepared = true;
  }
}
