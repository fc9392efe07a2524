/** Whether the bytes of a store still move: by what the driver says it sent, else by what it asks its source for. */
import { Pace, type PaceLimits } from './pace.ts';
import type { RemotePatience } from './remote-patience.ts';
import type { SourceTap } from './tapped-source.ts';

export interface StoreWait {
  readonly patience: RemotePatience;
  /** For a driver that does not say what it sends, and may hold back many parts. */
  readonly timeoutMs: number;
}

export interface StoreBytes {
  readonly sizeBytes?: number;
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export class StorePace {
  readonly #wait: StoreWait;
  readonly #bytes: StoreBytes;
  readonly #pace: Pace;
  #isExact = false;
  #isFinishing = false;
  #askedBytes = 0;

  constructor(wait: StoreWait, bytes: StoreBytes, onSlow: () => void) {
    this.#wait = wait;
    this.#bytes = bytes;
    this.#pace = new Pace(this.#limits(), onSlow);
    this.#pace.wait();
  }

  readonly onSent = (bytes: number): void => {
    this.#bytes.onSent?.(bytes);
    if (!this.#isExact) {
      this.#isExact = true;
      this.#pace.limit(this.#limits());
    }
    this.#pace.moved(bytes);
  };

  readonly tap: Omit<SourceTap, 'onFailure'> = {
    onAsked: () => this.#pace.rest(),
    onPiece: (bytes) => {
      this.#askedBytes += bytes;
      if (!this.#isExact) this.#pace.moved(bytes);
      if (!this.#isFinishing && this.#askedBytes >= (this.#bytes.sizeBytes ?? Infinity)) this.#finish();
      this.#pace.wait();
    },
    onEnd: () => {
      if (this.#bytes.sizeBytes === undefined) this.#finish();
      this.#pace.wait();
    },
  };

  /** @returns since when nothing has moved (performance.now) */
  end(): number {
    const since = this.#pace.waitingSince;
    this.#pace.rest();
    return since;
  }

  /** All bytes are on their way: a server may take time to check and write them. */
  #finish(): void {
    this.#isFinishing = true;
    this.#pace.limit(this.#limits());
  }

  #limits(): PaceLimits {
    const { patience, timeoutMs } = this.#wait;
    const { minBytesPerSecond, finishBytesPerSecond } = patience.limits;
    if (this.#isFinishing) {
      const finishMs = (this.#askedBytes / finishBytesPerSecond) * 1000;
      return { windowMs: Math.min(patience.leftMs, timeoutMs) + finishMs, minBytesPerSecond: 1 };
    }
    if (this.#isExact) return { windowMs: Math.min(patience.leftMs, timeoutMs), minBytesPerSecond };
    return { windowMs: timeoutMs, minBytesPerSecond: 1 };
  }
}
