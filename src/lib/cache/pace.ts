/** Notices that bytes have stopped coming, or come so slowly that waiting for them is no use. */

export interface PaceLimits {
  readonly windowMs: number;
  readonly minBytesPerSecond: number;
}

/** Only time in which the other side is waited for counts: a reader or a disk that takes its time is not the other side. */
export class Pace {
  #limits: PaceLimits;
  readonly #onSlow: () => void;
  #waitedMs = 0;
  #bytes = 0;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: PaceLimits, onSlow: () => void) {
    this.#limits = limits;
    this.#onSlow = onSlow;
  }

  /** When the wait under way began, or would begin (performance.now). */
  get waitingSince(): number {
    return performance.now() - this.#waitedNow();
  }

  wait(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#arm();
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The wait is over, or the other side is not to blame any more. */
  rest(): void {
    this.#waitedMs = this.#waitedNow();
    this.#since = undefined;
    clearTimeout(this.#timer);
  }

  /** From here on another window holds. */
  limit(limits: PaceLimits): void {
    const isWaiting = this.#since !== undefined;
    this.rest();
    this.#limits = limits;
    this.#begin();
    if (isWaiting) this.wait();
  }

  #waitedNow(): number {
    return this.#waitedMs + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  #begin(): void {
    this.#waitedMs = 0;
    this.#bytes = 0;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#endWindow(), Math.max(0, this.#limits.windowMs - this.#waitedMs) + 1);
  }

  #endWindow(): void {
    const { windowMs, minBytesPerSecond } = this.#limits;
    if (this.#bytes < (minBytesPerSecond * windowMs) / 1000) return this.#onSlow();
    this.#begin();
    this.#since = performance.now();
    this.#arm();
  }
}
