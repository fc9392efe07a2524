import { performance } from 'node:perf_hooks';
import type { Traffic } from './traffic.ts';

export interface StopwatchOptions {
  /** Of the caller: its abort is passed on. */
  readonly signal: AbortSignal;
  /** One wait may be so long, and so long may all waits be of a transfer that is too slow. It may change. */
  readonly limitMs: () => number;
  readonly minBytesPerSecond: number;
  /** What this transfer and others over the same line move: while that is fast enough, none of them is late. Default: it is alone. */
  readonly traffic?: Traffic;
  /** Makes what the abort is said to be about. */
  readonly onLate: (waitedMs: number) => Error;
}

/** Often enough for a limit of seconds. */
const CHECK_EVERY_MS = 100;
/** What a line moves in less time is chance. */
const LEAST_WINDOW_MS = 1000;
/** A server that has all bytes may still put them together: so fast at least (S3 completes large uploads after the last byte). */
const FINISH_BYTES_PER_SECOND = 32 * 1024 * 1024;

/** Measures the time that a call waits for somebody else, and aborts the call when that was too long. */
export class Stopwatch {
  readonly #options: StopwatchOptions;
  readonly #late = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** Aborts on the caller's signal, and when time is up. */
  readonly signal: AbortSignal;
  #before = 0;
  #waitingSince: number | undefined;
  #bytes = 0;
  #isFinishing = false;

  constructor(options: StopwatchOptions) {
    this.#options = options;
    this.signal = AbortSignal.any([options.signal, this.#late.signal]);
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  get isLate(): boolean {
    return this.#late.signal.aborted && !this.#options.signal.aborted;
  }

  /** Of all waits, the one under way included. */
  get waitedMs(): number {
    return this.#before + this.#thisWaitMs;
  }

  get #thisWaitMs(): number {
    return this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince;
  }

  /** From now on it is the other side's time. */
  wait(): void {
    this.#waitingSince ??= performance.now();
  }

  /** From now on it is ours. */
  pause(): void {
    this.#before = this.waitedMs;
    this.#waitingSince = undefined;
  }

  /** Bytes that have moved. */
  count(bytes: number): void {
    this.#bytes += bytes;
    this.#options.traffic?.count(bytes);
  }

  /** All bytes were handed over; what is waited for now is the answer. */
  finish(): void {
    this.#isFinishing = true;
  }

  /** The end of the call. */
  stop(): void {
    this.pause();
    clearInterval(this.#timer);
  }

  /** The outcome of `work`, or the reason of the abort if that comes first. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #check(): void {
    const { limitMs, minBytesPerSecond, onLate } = this.#options;
    const { waitedMs } = this;
    const limit = limitMs();
    const isSlow = waitedMs > limit && (this.#bytes * 1000) / waitedMs < minBytesPerSecond;
    const finishMs = this.#isFinishing ? (this.#bytes * 1000) / FINISH_BYTES_PER_SECOND : 0;
    if (this.#thisWaitMs <= limit + finishMs && !isSlow) return;
    if (!this.#isLineSlow(limit)) return;
    this.#late.abort(onLate(Math.max(this.#thisWaitMs, limit)));
  }

  #isLineSlow(limitMs: number): boolean {
    const { traffic, minBytesPerSecond } = this.#options;
    // Less than nothing may be left of a limit that others have drawn on.
    const windowMs = Math.max(limitMs, LEAST_WINDOW_MS);
    return traffic === undefined || traffic.bytesWithin(windowMs) < (minBytesPerSecond * windowMs) / 1000;
  }
}
