/** A remote cache in a Redis server (`redis://`, `rediss://`): published is what has the size and the sha256 it should. */
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
  EncodedContents,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { piecesOfSource } from '../../write-verified.ts';
import { remoteReadable } from '../remote-readable.ts';
import { listManifestKeys } from './list-manifests.ts';
import { encodedValuesIn } from './encoded-values.ts';
import { parseRedisAddress } from './redis-address.ts';
import { RedisConnection } from './redis-connection.ts';
import { RedisContents, type RedisTuning } from './redis-contents.ts';
import { hashTextOfKey } from './redis-keys.ts';
import { Transactions } from './transactions.ts';

/** An hour: a store renews it, and what a killed one left is gone the same day. */
const DEFAULT_TUNING: RedisTuning = { expiryMs: 3_600_000, inFlight: 8 };
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
  readonly encoded: EncodedContents;
  readonly #connection: RedisConnection;
  readonly #transactions: Transactions;
  readonly #contents: RedisContents;

  constructor(url: string, newConnection: () => RedisConnection, options: RedisTuning & { readonly budget: BufferBudget }) {
    this.url = url;
    this.#connection = newConnection();
    this.#transactions = new Transactions(newConnection());
    const connections = { connection: this.#connection, transactions: this.#transactions };
    this.#contents = new RedisContents({ ...options, ...connections, url });
    this.encoded = encodedValuesIn(this.#contents, url);
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const manifest = await this.#contents.find(hash, signal);
    return manifest === undefined ? undefined : { sizeBytes: manifest.sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    const { signal } = options;
    const manifest = await this.#contents.find(hash, signal);
    if (manifest === undefined) return undefined;
    const start = Math.min(range?.offset ?? 0, manifest.sizeBytes);
    const end = Math.min(start + (range?.length ?? manifest.sizeBytes), manifest.sizeBytes);
    const pieces = this.#contents.read({ hash, name: hash, manifest, start, end, signal });
    return remoteReadable(pieces, { url: this.url, hash, sizeBytes: end - start, isWhole: range === undefined, signal });
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
    const check = new ContentCheck(hash, sizeBytes);
    let chunks = 0;
    await this.#contents.store(
      hash,
      checkedPieces(
        piecesOfSource(source, () => (chunks += 1)),
        check,
      ),
      signal,
    );
    return { sentBytes: check.seenBytes, chunks, skipped: false };
  }

  deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    return this.#contents.delete(hash, signal);
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
}

function hashOfKey(key: string): ContentHash | undefined {
  try {
    return parseContentHash(hashTextOfKey(key), 'a key of Redis');
  } catch (error) {
    if (errorCodeOf(error) === 'DIGEST_INVALID') return undefined;
    throw error;
  }
}

/** Ends without an error only when the content has proven right. */
async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array>,
  check: ContentCheck,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    check.take(piece);
    yield piece;
  }
  check.finish();
}
