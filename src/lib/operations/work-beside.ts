/** Work that goes on beside what comes next, and is waited for later. */
export class WorkBeside {
  readonly #begun: Promise<void>[] = [];

  add(work: Promise<void>): void {
    // Whoever waits learns of a failure; until then it must not count as unhandled.
    work.catch(() => undefined);
    this.#begun.push(work);
  }

  /** @throws what the first of it that failed threw */
  async done(): Promise<void> {
    await Promise.all(this.#begun);
  }

  /** Waits for all of it, however it ended: for who has another failure to tell. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#begun);
  }
}
