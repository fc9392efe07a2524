/** Lets one at a time through for each key, first come first served, within this process. */
export class KeyedTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(action);
    const settled = mine.then(ignore, ignore);
    this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }

  /** When everybody who has come so far is through. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

/** The one whose turn it was has the outcome; those behind only wait. */
function ignore(): void {
  return undefined;
}
