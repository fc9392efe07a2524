/**
 * A cache that is only a help must not cost more than it saves: this decorator gives up a call that waits too long for
 * it, and the whole cache once its failed calls have cost that much together. Waiting for our own disk does not count.
 */
import { addAbortSignal, Readable } from 'node:stream';
import { ClipctlError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { ChunkSource } from './chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from './content-cache.ts';
import { Stopwatch } from './stopwatch.ts';
import { watchChunks } from './watch-chunks.ts';

export interface Patience {
  /** What waiting for failing calls may cost in all. Two such caches, one to read and one to fill, stay below 10 s. */
  readonly limitMs: number;
  /** A transfer that has waited that long must have been at least so fast. */
  readonly minBytesPerSecond: number;
}

const DEFAULT_PATIENCE: Patience = { limitMs: 4000, minBytesPerSecond: 64 * 1024 };

/** The cache, with an end to waiting. What was given up throws TIMEOUT. */
export function patient(cache: ContentCache, patience: Patience = DEFAULT_PATIENCE): ContentCache {
  return new PatientCache(cache, patience);
}

class PatientCache implements ContentCache {
  readonly url: string;
  readonly storeUnsized?: NonNullable<ContentCache['storeUnsized']>;
  readonly deleteContent?: NonNullable<ContentCache['deleteContent']>;
  readonly #cache: ContentCache;
  readonly #patience: Patience;
  #lostMs = 0;

  constructor(cache: ContentCache, patience: Patience) {
    this.url = cache.url;
    this.#cache = cache;
    this.#patience = patience;
    const storeUnsized = cache.storeUnsized?.bind(cache);
    const deleteContent = cache.deleteContent?.bind(cache);
    if (storeUnsized !== undefined) {
      this.storeUnsized = (source, hash, options) =>
        this.#whole(options.signal, (watch) =>
          storeUnsized(watchChunks(source, watch), hash, { ...options, signal: watch.signal }),
        );
    }
    if (deleteContent !== undefined) {
      this.deleteContent = (hash, options) => this.#whole(options.signal, ({ signal }) => deleteContent(hash, { signal }));
    }
  }

  /** A driver may learn more about its server while it works. */
  get capabilities(): CacheCapabilities {
    return { ...this.#cache.capabilities, list: false };
  }

  contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    return this.#whole(signal, (watch) => this.#cache.contentExists(hash, { signal: watch.signal }));
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const watch = this.#watch(options.signal);
    const stream = await this.#guarded(watch, () => this.#cache.getContent(hash, { ...options, signal: watch.signal }));
    if (stream === undefined) {
      watch.stop();
      return undefined;
    }
    return addAbortSignal(
      options.signal,
      Readable.from(this.#pieces(stream, watch), { objectMode: false, highWaterMark: 64 * 1024 }),
    );
  }

  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#whole(options.signal, (watch) =>
      this.#cache.storeContent(watchChunks(source, watch), hash, { ...options, signal: watch.signal }),
    );
  }

  close(): Promise<void> {
    return this.#cache.close();
  }

  #watch(signal: AbortSignal): Stopwatch {
    const { limitMs, minBytesPerSecond } = this.#patience;
    signal.throwIfAborted();
    if (this.#lostMs >= limitMs) throw leftOut(limitMs);
    return new Stopwatch({ signal, limitMs: limitMs - this.#lostMs, minBytesPerSecond, onLate: () => tooSlow(limitMs) });
  }

  async #whole<T>(signal: AbortSignal, work: (watch: Stopwatch) => Promise<T>): Promise<T> {
    const watch = this.#watch(signal);
    try {
      return await this.#guarded(watch, () => work(watch));
    } finally {
      watch.stop();
    }
  }

  /** Runs until it ends or time is up; an abort that the driver does not hear ends our waiting all the same. */
  async #guarded<T>(watch: Stopwatch, work: () => Promise<T>): Promise<T> {
    watch.wait();
    try {
      return await watch.race(work());
    } catch (error) {
      watch.stop();
      this.#lostMs += watch.waitedMs;
      throw watch.isLate ? tooSlow(this.#patience.limitMs) : error;
    } finally {
      watch.pause();
    }
  }

  async *#pieces(stream: Readable, watch: Stopwatch): AsyncGenerator<Uint8Array, void, undefined> {
    const source = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    try {
      for (;;) {
        const next = await this.#guarded(watch, () => source.next());
        if (next.done === true) return;
        watch.count(next.value.length);
        yield next.value;
      }
    } finally {
      watch.stop();
      stream.destroy();
    }
  }
}

const HINT = '--remote required waits for a remote cache as long as --timeout and --retries say.';

function tooSlow(limitMs: number): ClipctlError {
  return new ClipctlError('TIMEOUT', `given up: nothing, or next to nothing, came for ${limitMs / 1000} s`, {
    retryable: false,
    hint: HINT,
  });
}

function leftOut(limitMs: number): ClipctlError {
  return new ClipctlError('TIMEOUT', `left out: what failed there has cost ${limitMs / 1000} s already`, {
    retryable: false,
    hint: HINT,
  });
}
