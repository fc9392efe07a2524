/** Whether one connection is what a reader waits for. Only the time spent waiting counts: a slow reader makes no slow server. */

/** A connection that gives less than this, in bytes a second, is worth helping. */
const SLOW_BYTES_PER_SECOND = 40_000_000;
/** It is judged after so many bytes or so much waiting, whichever comes first. */
const JUDGED_BYTES = 1 << 20;
const JUDGED_MS = 250;

export class SpeedWatch {
  #bytes = 0;
  #waitedMs = 0;
  #isSlow = false;

  /** The last judgement; false before the first. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  add(bytes: number, waitedMs: number): void {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#bytes < JUDGED_BYTES && this.#waitedMs < JUDGED_MS) return;
    this.#isSlow = this.#bytes < (SLOW_BYTES_PER_SECOND / 1000) * this.#waitedMs;
    this.#bytes = 0;
    this.#waitedMs = 0;
  }
}
