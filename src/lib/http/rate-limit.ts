/** `--max-rate`: the bytes of all streams together pass no faster than this. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A stream that is left must not wait out its whole turn. */
const MAX_SLEEP_MS = 200;

export class RateLimit {
  readonly #bytesPerMs: number;
  /** When what was taken so far has passed, at the rate; `performance.now()`. */
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /**
   * Takes bytes that have come or shall go, and waits as long as they should have taken. First come, first served; no
   * time that passed unused is made up for.
   * @param isLeft true when nobody wants the bytes any more: then it waits no longer
   */
  async take(bytes: number, isLeft: () => boolean = () => false): Promise<void> {
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes / this.#bytesPerMs;
    const goesOnAtMs = this.#freeAtMs;
    for (let waitMs = goesOnAtMs - nowMs; waitMs > 0 && !isLeft(); waitMs = goesOnAtMs - performance.now()) {
      await sleep(Math.min(waitMs, MAX_SLEEP_MS));
    }
  }
}
