/** Whether one connection is what a reader waits for. Only time in which bytes would have been seen counts as waiting. */

/** A connection that gives less than this, in bytes a second, is worth helping. */
const SLOW_BYTES_PER_SECOND = 40_000_000;
/** It is judged after so many bytes or so much waiting, whichever comes first: a busy machine makes no slow server. */
const JUDGED_BYTES = 1 << 22;
const JUDGED_MS = 250;
/** How often a process that waits shows that it runs. */
export const TICK_MS = 10;
/** What is longer without a sign is no waiting: the process was stopped or busy, and the bytes lay in the socket. */
const MAX_UNSEEN_MS = 2 * TICK_MS;

export class SpeedWatch {
  #bytes = 0;
  #waitedMs = 0;
  #isSlow = false;
  /** The last sign while it waits. */
  #seenAtMs: number | undefined;

  /** The last judgement; false before the first. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** The reader begins to wait. */
  waits(nowMs: number): void {
    this.#seenAtMs = nowMs;
  }

  /** The process runs: to be called each `TICK_MS`. */
  tick(nowMs: number): void {
    if (this.#seenAtMs === undefined) return;
    this.#waitedMs += Math.min(MAX_UNSEEN_MS, nowMs - this.#seenAtMs);
    this.#seenAtMs = nowMs;
  }

  /** The wait is over. @param heldMs of it is no fault of the connection */
  got(bytes: number, nowMs: number, heldMs: number): void {
    this.tick(nowMs);
    this.#seenAtMs = undefined;
    this.#bytes += bytes;
    this.#waitedMs = Math.max(0, this.#waitedMs - heldMs);
    if (this.#bytes < JUDGED_BYTES && this.#waitedMs < JUDGED_MS) return;
    this.#isSlow = this.#bytes < (SLOW_BYTES_PER_SECOND / 1000) * this.#waitedMs;
    this.#bytes = 0;
    this.#waitedMs = 0;
  }
}
