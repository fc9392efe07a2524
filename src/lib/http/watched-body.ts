/**
 * The pieces of a body, as long as enough of them come. undici ends a body that brings nothing at all; one that brings a
 * byte now and then would be waited for for ever. Only time spent waiting counts: a slow reader makes no slow server.
 */
import { ClipctlError } from '../errors.ts';
import type { HttpResponse } from './http-client.ts';

/** Less is a stall (RELIABILITY §2 row 6). */
const MIN_BYTES_PER_SECOND = 1024;
/** Looks at the clock in one window: a stall is seen so much later than it is one. */
const TICKS = 8;

/**
 * @param onHeld hears how long a piece that had come was held up by `--max-rate`
 * @throws, while iterating, ClipctlError TIMEOUT; what the body throws
 */
export async function* watchedPieces(
  { body, url, idleMs, rate }: HttpResponse,
  onHeld?: (heldMs: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  const source: AsyncIterable<Buffer, undefined> = body;
  if (idleMs === undefined) return yield* source;
  const watch = new StallWatch(idleMs);
  const timer = setInterval(() => {
    if (watch.tick(performance.now())) body.destroy(stalled(url, idleMs));
  }, idleMs / TICKS);
  const pieces = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      watch.waits(performance.now());
      const { done, value } = await pieces.next();
      watch.got(done === true ? 0 : value.byteLength, performance.now());
      if (done === true) return;
      const cameAtMs = performance.now();
      await rate?.take(value.byteLength, () => body.destroyed);
      if (rate !== undefined) onHeld?.(performance.now() - cameAtMs);
      yield value;
    }
  } finally {
    clearInterval(timer);
    await pieces.return?.();
  }
}

/** Adds up waiting and bytes, in steps of a window that slides. */
export class StallWatch {
  readonly #windowMs: number;
  readonly #steps: { readonly waitedMs: number; readonly bytes: number }[] = [];
  #waitsSinceMs: number | undefined;
  #waitedMs = 0;
  #bytes = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  waits(nowMs: number): void {
    this.#waitsSinceMs = nowMs;
  }

  got(bytes: number, nowMs: number): void {
    this.#count(nowMs);
    this.#waitsSinceMs = undefined;
    this.#bytes += bytes;
  }

  /** Ends a step. True when a whole window of waiting has brought too little. */
  tick(nowMs: number): boolean {
    if (this.#waitsSinceMs !== undefined) {
      this.#count(nowMs);
      this.#waitsSinceMs = nowMs;
    }
    // A process that was held up for long had no chance to see what came.
    const waitedMs = Math.min(this.#waitedMs, (2 * this.#windowMs) / TICKS);
    this.#steps.push({ waitedMs, bytes: this.#bytes });
    this.#waitedMs = 0;
    this.#bytes = 0;
    let total = this.#sum();
    for (let first = this.#steps[0]; first !== undefined; first = this.#steps[0]) {
      if (total.waitedMs - first.waitedMs < this.#windowMs) break;
      this.#steps.shift();
      total = this.#sum();
    }
    return total.waitedMs >= this.#windowMs && total.bytes * 1000 < MIN_BYTES_PER_SECOND * total.waitedMs;
  }

  #count(nowMs: number): void {
    this.#waitedMs += nowMs - (this.#waitsSinceMs ?? nowMs);
  }

  #sum(): { readonly waitedMs: number; readonly bytes: number } {
    return this.#steps.reduce((sum, step) => ({ waitedMs: sum.waitedMs + step.waitedMs, bytes: sum.bytes + step.bytes }), {
      waitedMs: 0,
      bytes: 0,
    });
  }
}

function stalled({ host }: URL, idleMs: number): ClipctlError {
  return new ClipctlError('TIMEOUT', `${host}: less than 1 KiB/s came for ${idleMs / 1000} s`, {
    details: { host, idleMs },
    hint: 'Check the connection, or allow more time with --timeout.',
  });
}
