/**
 * A cache that is only a help must not cost more than it saves: this decorator gives up a call that waits too long for
 * it, and the whole cache with it, or once its failed calls have cost that much together. All optional caches of a run
 * draw on one allowance. Waiting for our own disk does not count.
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
import { Traffic } from './traffic.ts';
import type { WaitingAllowance } from './waiting-allowance.ts';
import { watchChunks } from './watch-chunks.ts';

/** A transfer that has waited as long as it may must have been at least so fast. */
const MIN_BYTES_PER_SECOND = 64 * 1024;

/** The cache, with an end to waiting. What was given up throws TIMEOUT. */
export function patient(cache: ContentCache, allowance: WaitingAllowance): ContentCache {
  return new PatientCache(cache, allowance);
}

class PatientCache implements ContentCache {
  readonly url: string;
  readonly storeUnsized?: NonNullable<ContentCache['storeUnsized']>;
  readonly deleteContent?: NonNullable<ContentCache['deleteContent']>;
  readonly #cache: ContentCache;
  readonly #allowance: WaitingAllowance;
  /** Of all sends. A read that hangs must not go on to hang because others send. */
  readonly #sends = new Traffic();
  #lostMs = 0;
  #isGivenUp = false;

  constructor(cache: ContentCache, allowance: WaitingAllowance) {
    this.url = cache.url;
    this.#cache = cache;
    this.#allowance = allowance;
    const storeUnsized = cache.storeUnsized?.bind(cache);
    const deleteContent = cache.deleteContent?.bind(cache);
    if (storeUnsized !== undefined) {
      this.storeUnsized = (source, hash, options) =>
        this.#store(source, options.signal, (watch) =>
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
    const pieces = Readable.from(this.#pieces(stream, watch), { objectMode: false, highWaterMark: 64 * 1024 });
    // A generator that was never asked for anything has no end of its own.
    pieces.once('close', () => (watch.stop(), stream.destroy()));
    return addAbortSignal(options.signal, pieces);
  }

  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, options.signal, (watch) =>
      this.#cache.storeContent(watchChunks(source, watch), hash, { ...options, signal: watch.signal }),
    );
  }

  close(): Promise<void> {
    return this.#cache.close();
  }

  #watch(signal: AbortSignal, traffic?: Traffic): Stopwatch {
    signal.throwIfAborted();
    const mayWaitMs = (): number => this.#allowance.shareMs - this.#lostMs;
    if (this.#isGivenUp || mayWaitMs() <= 0) throw leftOut();
    return new Stopwatch({
      ...{ signal, limitMs: mayWaitMs, minBytesPerSecond: MIN_BYTES_PER_SECOND, onLate: tooSlow },
      ...(traffic === undefined ? {} : { traffic }),
    });
  }

  async #whole<T>(signal: AbortSignal, work: (watch: Stopwatch) => Promise<T>): Promise<T> {
    return await this.#watched(this.#watch(signal), work);
  }

  async #watched<T>(watch: Stopwatch, work: (watch: Stopwatch) => Promise<T>): Promise<T> {
    try {
      return await this.#guarded(watch, () => work(watch));
    } finally {
      watch.stop();
    }
  }

  /** What goes straight through sits in buffers that serve another layer next: the call ends when the driver has ended. */
  async #store<T>(source: ChunkSource, signal: AbortSignal, work: (watch: Stopwatch) => Promise<T>): Promise<T> {
    let driver: Promise<T> | undefined;
    try {
      return await this.#watched(this.#watch(signal, this.#sends), (watch) => (driver = work(watch)));
    } finally {
      if (source.isOnePass === true) await Promise.allSettled([driver]);
    }
  }

  /** Runs until it ends or time is up; an abort that the driver does not hear ends our waiting all the same. */
  async #guarded<T>(watch: Stopwatch, work: () => Promise<T>): Promise<T> {
    watch.wait();
    try {
      return await watch.race(work());
    } catch (error) {
      watch.stop();
      this.#lose(watch);
      throw watch.isLate ? watch.signal.reason : error;
    } finally {
      watch.pause();
    }
  }

  #lose(watch: Stopwatch): void {
    if (watch.isLate) this.#isGivenUp = true;
    this.#lostMs += watch.waitedMs;
    this.#allowance.lose(watch.waitedMs);
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

function tooSlow(waitedMs: number): ClipctlError {
  const seconds = Math.max(1, Math.round(waitedMs / 100)) / 10;
  return new ClipctlError('TIMEOUT', `given up: nothing, or next to nothing, came for ${seconds} s`, {
    retryable: false,
    hint: HINT,
  });
}

function leftOut(): ClipctlError {
  return new ClipctlError('TIMEOUT', 'left out: what failed has cost too much time already', { retryable: false, hint: HINT });
}
