/**
 * What stands in a Redis server under names. Chunks arrive under names of their own that expire; when all have come, one
 * transaction gives them their final names, ends their expiry and writes the manifest. So a store that fails, or is
 * killed, leaves nothing that lasts, and can't touch what a better one has stored.
 */
import type { BufferBudget } from '../../buffer-budget.ts';
import type { Command } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { chunkKey, manifestKey, manifestOf, MAX_MANIFEST_BYTES, parseManifest, type RedisManifest } from './redis-keys.ts';
import { readValues, type ValueSpan } from './read-values.ts';
import { ArrivingChunks, chunkLost } from './send-values.ts';
import type { Transactions } from './transactions.ts';

export interface RedisTuning {
  /** How long a chunk lives that was never published. */
  readonly expiryMs: number;
  /** Pieces of 1 MiB on their way at once. */
  readonly inFlight: number;
}

export interface RedisContentsOptions extends RedisTuning {
  readonly url: string;
  readonly budget: BufferBudget;
  readonly connection: RedisConnection;
  readonly transactions: Transactions;
}

const KEYS_PER_COMMAND = 256;
/** To tidy up after a failure; what is not reached expires. */
const DISCARD_MS = 2000;

export class RedisContents {
  readonly #options: RedisContentsOptions;

  constructor(options: RedisContentsOptions) {
    this.#options = options;
  }

  /** The manifest, when all its chunks are there: a full server may have thrown out some. */
  async find(name: string, signal: AbortSignal): Promise<RedisManifest | undefined> {
    const manifest = await this.#manifest(name, signal);
    if (manifest === undefined) return undefined;
    const isWhole = await this.#existAll(manifest.chunks, (index) => chunkKey(name, index), signal);
    return isWhole ? manifest : undefined;
  }

  /** @throws ClipctlError CACHE_CORRUPT where a chunk is missing or short */
  read(span: Omit<ValueSpan, 'url' | 'budget'>): AsyncGenerator<Buffer, void, undefined> {
    const { connection, url, budget } = this.#options;
    return readValues(connection, { ...span, url, budget });
  }

  /** Published when `pieces` has ended without an error. Resolves to its bytes. */
  async store(name: string, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    const arriving = new ArrivingChunks(this.#options.connection, { ...this.#options, name, signal });
    try {
      for await (const piece of pieces) {
        signal.throwIfAborted();
        await arriving.send(piece);
      }
      await arriving.settle();
      await this.#publish(name, arriving, signal);
      return arriving.sentBytes;
    } catch (error) {
      await arriving.discard(AbortSignal.timeout(DISCARD_MS)).catch(() => undefined);
      throw error;
    }
  }

  /** False when it was not there. */
  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    const { connection } = this.#options;
    const manifest = await this.#manifest(name, signal);
    const deleted = await connection.call(['DEL', manifestKey(name)], signal);
    for (let first = 0; first < (manifest?.chunks ?? 0); first += KEYS_PER_COMMAND) {
      const count = Math.min(KEYS_PER_COMMAND, (manifest?.chunks ?? 0) - first);
      await connection.call(['UNLINK', ...keysFrom(first, count, (index) => chunkKey(name, index))], signal);
    }
    return deleted === 1;
  }

  async #publish(name: string, arriving: ArrivingChunks, signal: AbortSignal): Promise<void> {
    const manifest = manifestOf(arriving.sentBytes);
    const isWhole = await this.#existAll(manifest.chunks, (index) => arriving.key(index), signal);
    if (!isWhole) throw chunkLost(name);
    await this.#options.transactions.run(publishing(arriving, manifest, name), signal);
  }

  async #manifest(name: string, signal: AbortSignal): Promise<RedisManifest | undefined> {
    const value = await this.#options.connection.call(['GETRANGE', manifestKey(name), 0, MAX_MANIFEST_BYTES], signal);
    return value instanceof Buffer ? parseManifest(value.toString('utf8')) : undefined;
  }

  async #existAll(chunks: number, keyOf: (index: number) => string, signal: AbortSignal): Promise<boolean> {
    for (let first = 0; first < chunks; first += KEYS_PER_COMMAND) {
      const count = Math.min(KEYS_PER_COMMAND, chunks - first);
      const found = await this.#options.connection.call(['EXISTS', ...keysFrom(first, count, keyOf)], signal);
      if (found !== count) return false;
    }
    return true;
  }
}

/** Each chunk gets its final name and stays; then the manifest. */
function* publishing(arriving: ArrivingChunks, manifest: RedisManifest, name: string): Generator<Command> {
  for (let index = 0; index < manifest.chunks; index += 1) {
    yield ['RENAME', arriving.key(index), chunkKey(name, index)];
    yield ['PERSIST', chunkKey(name, index)];
  }
  yield ['SET', manifestKey(name), JSON.stringify(manifest)];
}

function keysFrom(first: number, count: number, keyOf: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, at) => keyOf(first + at));
}
