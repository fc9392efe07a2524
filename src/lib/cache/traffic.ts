/** A bucket of bytes: exact enough for windows of seconds. */
const BUCKET_MS = 100;
/** Nobody asks about more. */
const MOST_BUCKETS = 600;

interface Bucket {
  readonly startedAt: number;
  bytes: number;
}

/** What several transfers moved together lately: one of them may wait long for its share of a slow line. */
export class Traffic {
  readonly #now: () => number;
  readonly #buckets: Bucket[] = [];

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  count(bytes: number): void {
    const now = this.#now();
    const last = this.#buckets.at(-1);
    if (last !== undefined && now - last.startedAt < BUCKET_MS) last.bytes += bytes;
    else this.#buckets.push({ startedAt: now, bytes });
    if (this.#buckets.length > MOST_BUCKETS) this.#buckets.shift();
  }

  /** Bytes of the last `windowMs`, which is at most a minute. */
  bytesWithin(windowMs: number): number {
    const from = this.#now() - windowMs;
    let bytes = 0;
    for (let at = this.#buckets.length - 1; at >= 0 && this.#buckets[at]!.startedAt >= from; at--)
      bytes += this.#buckets[at]!.bytes;
    return bytes;
  }
}
