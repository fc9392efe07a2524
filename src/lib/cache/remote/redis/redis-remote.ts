/**
 * A remote cache in a Redis server (`redis://`, `rediss://`). Chunks arrive under names of their own that expire; when
 * size and sha256 have held, one transaction gives them their final names, ends their expiry and writes the manifest. So
 * a store that fails, or is killed, leaves nothing that lasts, and can't touch what a better one has stored.
 */
import type { Readable } from 'node:stream';
import { errorCodeOf } from '../../../errors.ts';
import { parseContentHash, type ContentHash } from '../../../oci/digest.ts';
import type { BufferBudget } from '../../buffer-budget.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import { ContentCheck } from '../../content-check.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { piecesOfSource } from '../../write-verified.ts';
import { remoteReadable } from '../remote-readable.ts';
import { listManifestKeys } from './list-manifests.ts';
import { readValues } from './read-values.ts';
import { parseRedisAddress } from './redis-address.ts';
import type { Command } from './redis-command.ts';
import { RedisConnection } from './redis-connection.ts';
import {
  chunkKey,
  hashTextOfKey,
  manifestKey,
  manifestOf,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type RedisManifest,
} from './redis-keys.ts';
import { ArrivingChunks, chunkLost } from './send-values.ts';
import { Transactions } from './transactions.ts';

export interface RedisTuning {
  /** How long a chunk lives that was never published. */
  readonly expiryMs: number;
  /** Pieces of 1 MiB on their way at once. */
  readonly inFlight: number;
}

/** An hour: a store renews it, and what a killed one left is gone the same day. */
const DEFAULT_TUNING: RedisTuning = { expiryMs: 3_600_000, inFlight: 8 };
const KEYS_PER_COMMAND = 256;
/** To tidy up after a failure; what is not reached expires. */
const DISCARD_MS = 2000;

/**
 * Opens without connecting.
 * @throws ClipctlError USAGE
 */
export function openRedisRemote(url: URL, context: RemoteContext, tuning: Partial<RedisTuning> = {}): ContentCache {
  const address = parseRedisAddress(url, context.environment);
  const options = { ...DEFAULT_TUNING, ...tuning, budget: context.budget };
  return new RedisRemote(address.url, () => new RedisConnection(address, context), options);
}

class RedisRemote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: false };
  readonly #connection: RedisConnection;
  readonly #transactions: Transactions;
  readonly #options: RedisTuning & { readonly budget: BufferBudget };

  constructor(url: string, newConnection: () => RedisConnection, options: RedisTuning & { readonly budget: BufferBudget }) {
    this.url = url;
    this.#connection = newConnection();
    this.#transactions = new Transactions(newConnection());
    this.#options = options;
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const manifest = await this.#wholeManifest(hash, signal);
    return manifest === undefined ? undefined : { sizeBytes: manifest.sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    const { signal } = options;
    const manifest = await this.#wholeManifest(hash, signal);
    if (manifest === undefined) return undefined;
    const start = Math.min(range?.offset ?? 0, manifest.sizeBytes);
    const end = Math.min(start + (range?.length ?? manifest.sizeBytes), manifest.sizeBytes);
    const { url } = this;
    const { budget } = this.#options;
    const pieces = readValues(this.#connection, { url, hash, manifest, start, end, budget, signal });
    return remoteReadable(pieces, { url, hash, sizeBytes: end - start, isWhole: range === undefined, signal });
  }

  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  storeUnsized(source: ChunkSource, hash: ContentHash, options: CacheCallOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  async #store(
    source: ChunkSource,
    hash: ContentHash,
    { sizeBytes, signal, replace = false }: CacheCallOptions & Partial<StoreOptions>,
  ): Promise<StoreResult> {
    const isThere = !replace && (await this.contentExists(hash, { signal })) !== undefined;
    if (isThere) return { sentBytes: 0, chunks: 0, skipped: true };
    const arriving = new ArrivingChunks(this.#connection, { ...this.#options, hash, signal });
    try {
      const check = new ContentCheck(hash, sizeBytes);
      let chunks = 0;
      for await (const piece of piecesOfSource(source, () => (chunks += 1))) {
        signal.throwIfAborted();
        check.take(piece);
        await arriving.send(piece);
      }
      await arriving.settle();
      check.finish();
      await this.#publish(arriving, manifestOf(check.seenBytes), { hash, signal });
      return { sentBytes: check.seenBytes, chunks, skipped: false };
    } catch (error) {
      await arriving.discard(AbortSignal.timeout(DISCARD_MS)).catch(() => undefined);
      throw error;
    }
  }

  async #publish(
    arriving: ArrivingChunks,
    manifest: RedisManifest,
    { hash, signal }: CacheCallOptions & { readonly hash: ContentHash },
  ): Promise<void> {
    const isWhole = await this.#existAll(manifest.chunks, (index) => arriving.key(index), signal);
    if (!isWhole) throw chunkLost(hash);
    await this.#transactions.run(publishing(arriving, manifest, hash), signal);
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    const manifest = await this.#manifest(hash, signal);
    const deleted = await this.#connection.call(['DEL', manifestKey(hash)], signal);
    for (let first = 0; first < (manifest?.chunks ?? 0); first += KEYS_PER_COMMAND) {
      const count = Math.min(KEYS_PER_COMMAND, (manifest?.chunks ?? 0) - first);
      await this.#connection.call(['UNLINK', ...keysFrom(first, count, (index) => chunkKey(hash, index))], signal);
    }
    return deleted === 1;
  }

  async *listContent(options: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    for await (const key of listManifestKeys(this.#connection, this.url, options.signal)) {
      const hash = hashOfKey(key);
      const info = hash === undefined ? undefined : await this.contentExists(hash, options);
      if (hash !== undefined && info !== undefined) yield { hash, ...info };
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#transactions.close()]);
  }

  /** The manifest, when all its chunks are there: a full server may have thrown out some. */
  async #wholeManifest(hash: ContentHash, signal: AbortSignal): Promise<RedisManifest | undefined> {
    const manifest = await this.#manifest(hash, signal);
    if (manifest === undefined) return undefined;
    const isWhole = await this.#existAll(manifest.chunks, (index) => chunkKey(hash, index), signal);
    return isWhole ? manifest : undefined;
  }

  async #manifest(hash: ContentHash, signal: AbortSignal): Promise<RedisManifest | undefined> {
    const value = await this.#connection.call(['GETRANGE', manifestKey(hash), 0, MAX_MANIFEST_BYTES], signal);
    return value instanceof Buffer ? parseManifest(value.toString('utf8')) : undefined;
  }

  async #existAll(chunks: number, keyOf: (index: number) => string, signal: AbortSignal): Promise<boolean> {
    for (let first = 0; first < chunks; first += KEYS_PER_COMMAND) {
      const count = Math.min(KEYS_PER_COMMAND, chunks - first);
      const found = await this.#connection.call(['EXISTS', ...keysFrom(first, count, keyOf)], signal);
      if (found !== count) return false;
    }
    return true;
  }
}

/** Each chunk gets its final name and stays; then the manifest. */
function* publishing(arriving: ArrivingChunks, manifest: RedisManifest, hash: ContentHash): Generator<Command> {
  for (let index = 0; index < manifest.chunks; index += 1) {
    yield ['RENAME', arriving.key(index), chunkKey(hash, index)];
    yield ['PERSIST', chunkKey(hash, index)];
  }
  yield ['SET', manifestKey(hash), JSON.stringify(manifest)];
}

function keysFrom(first: number, count: number, keyOf: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, at) => keyOf(first + at));
}

function hashOfKey(key: string): ContentHash | undefined {
  try {
    return parseContentHash(hashTextOfKey(key), 'a key of Redis');
  } catch (error) {
    if (errorCodeOf(error) === 'DIGEST_INVALID') return undefined;
    throw error;
  }
}
