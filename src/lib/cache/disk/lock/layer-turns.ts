import type { ContentHash } from '../../../oci/digest.ts';
import { KeyedTurns } from '../keyed-turns.ts';
import type { LockHolder } from './lock-holder.ts';
import { lockLayer, type LayerLock, type LockOptions } from './layer-lock.ts';

export interface TurnOptions {
  readonly signal: AbortSignal;
  /** Told whom we wait for, in another process. */
  readonly onWait?: (holder: LockHolder | undefined) => void;
}

/** The locks of one directory: turns within this process, then the lock between processes. */
export class LayerTurns {
  readonly #directory: string;
  readonly #options: Pick<LockOptions, 'kind' | 'timeoutMs'>;
  readonly #turns = new KeyedTurns();

  constructor(directory: string, options: Pick<LockOptions, 'kind' | 'timeoutMs'>) {
    this.#directory = directory;
    this.#options = options;
  }

  /** @throws ClipctlError LOCK_TIMEOUT, STORAGE_*; the signal's reason; what `action` throws */
  async run<T>(hash: ContentHash, options: TurnOptions, action: (lock: LayerLock) => Promise<T>): Promise<T> {
    const { signal } = options;
    let leaveQueue = (): void => undefined;
    const left = new Promise<never>((_, reject) => {
      leaveQueue = () => reject(signal.reason as Error);
    });
    signal.addEventListener('abort', leaveQueue, { once: true });
    const turn = this.#turns.run(hash, () => {
      // Once it is our turn, the action ends by the signal itself, and cleans up.
      signal.removeEventListener('abort', leaveQueue);
      return this.#runLocked(hash, options, action);
    });
    try {
      return await Promise.race([turn, left]);
    } finally {
      signal.removeEventListener('abort', leaveQueue);
    }
  }

  /** When everybody who has come so far is through. */
  settled(): Promise<void> {
    return this.#turns.settled();
  }

  async #runLocked<T>(hash: ContentHash, options: TurnOptions, action: (lock: LayerLock) => Promise<T>): Promise<T> {
    options.signal.throwIfAborted();
    const lock = await lockLayer(this.#directory, hash, { ...this.#options, ...options });
    try {
      return await action(lock);
    } finally {
      await lock.release();
    }
  }
}
