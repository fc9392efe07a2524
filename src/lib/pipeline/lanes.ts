/** At most so many tasks at once; the others wait their turn, first come first served. */
export class Lanes {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The lane is handed on: nobody who comes now can take it first.
      if (next === undefined) this.#busy--;
      else next();
    }
  }
}
