/**
 * How long a remote may keep a run waiting in vain: all failing calls together at most `totalMs` (RELIABILITY §2 row 16
 * allows 10 s). Time is spent once, however many calls wait at the same moment. Bytes that arrive give it back.
 */
export interface PatienceLimits {
  /** For an answer to a lookup, or the first byte of content. */
  readonly answerMs: number;
  /** For all failing calls, until content has moved again. */
  readonly totalMs: number;
  /** A connection is dead when a window brings less than this rate. */
  readonly windowMs: number;
  readonly minBytesPerSecond: number;
  /** A server has to finish what it was sent: time on top of `totalMs`. */
  readonly finishBytesPerSecond: number;
}

export const PATIENCE: PatienceLimits = {
  answerMs: 3_000,
  totalMs: 9_000,
  windowMs: 3_000,
  minBytesPerSecond: 16 * 1024,
  finishBytesPerSecond: 20 * 1024 * 1024,
};

export class RemotePatience {
  readonly limits: PatienceLimits;
  #spentMs = 0;
  #spentUntil = 0;

  constructor(limits: PatienceLimits = PATIENCE) {
    this.limits = limits;
  }

  get leftMs(): number {
    return Math.max(0, this.limits.totalMs - this.#spentMs);
  }

  /** A call that began to wait at `since` (performance.now) has failed. */
  spend(since: number): void {
    const now = performance.now();
    this.#spentMs += Math.max(0, now - Math.max(since, this.#spentUntil));
    this.#spentUntil = now;
  }

  restore(): void {
    this.#spentMs = 0;
  }
}
