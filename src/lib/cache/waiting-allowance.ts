/**
 * What waiting for optional remotes may cost one run in all, however many there are. A remote may wait half of what is
 * left: the first that hangs costs 4 s, the next 2 s, then 1 s. So the sum stays bounded, and a remote that works is
 * still used after others have failed.
 */
export class WaitingAllowance {
  readonly #totalMs: number;
  readonly #now: () => number;
  #lostMs = 0;
  #countedUntil: number;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(totalMs: number, now: () => number = () => performance.now()) {
    this.#totalMs = totalMs;
    this.#now = now;
    this.#countedUntil = now();
  }

  /** How long one remote may keep the run waiting, as of now. */
  get shareMs(): number {
    return Math.max(0, this.#totalMs - this.#lostMs) / 2;
  }

  /**
   * A wait that just ended came to nothing. What was lost at the same time elsewhere counts once, and one failure takes
   * no more than its share: a long transfer that breaks moved bytes most of the time.
   */
  lose(waitedMs: number): void {
    const now = this.#now();
    this.#lostMs += Math.min(waitedMs, now - this.#countedUntil, this.shareMs);
    this.#countedUntil = now;
  }
}
