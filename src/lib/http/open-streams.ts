/** How many answers of a host are being read at once: what is only ahead of its reader stays below a limit. */

/** Of one host. More gains nothing where one connection is no bottleneck, and registries count connections. */
export const MAX_STREAMS_PER_HOST = 12;

export class OpenStreams {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number = MAX_STREAMS_PER_HOST) {
    this.#limit = limit;
  }

  /** For what somebody reads now: always. Gives what ends it. */
  enter(host: string): () => void {
    const count = this.#counts.get(host) ?? 0;
    this.#counts.set(host, count + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (this.#counts.get(host) ?? 1) - 1;
      if (left > 0) this.#counts.set(host, left);
      else this.#counts.delete(host);
    };
  }

  /** For what is read ahead: undefined when the host has enough to do. */
  tryEnter(host: string): (() => void) | undefined {
    return (this.#counts.get(host) ?? 0) < this.#limit ? this.enter(host) : undefined;
  }
}
