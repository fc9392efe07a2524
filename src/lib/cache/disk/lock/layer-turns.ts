import { setMaxListeners } from 'node:events';
import type { ContentHash } from '../../../oci/digest.ts';
import { KeyedTurns } from '../keyed-turns.ts';
import type { LockHolder, LockKind } from './lock-holder.ts';
import { lockLayer, type LockOptions } from './layer-lock.ts';

export interface TurnOptions {
  readonly signal: AbortSignal;
  /** Told whom we wait for, in another process. */
  readonly onWait?: (holder: LockHolder | undefined) => void;
  /** It is told when we have waited for so long. Default 0. */
  readonly tellAfterMs?: number;
}

/** The locks of one directory: turns within this process, then the lock between processes. */
export class LayerTurns {
  readonly #directory: () => string;
  readonly #options: Pick<LockOptions, 'kind' | 'timeoutMs'>;
  readonly #turns = new KeyedTurns();
  readonly #held = new Map<ContentHash, LockKind>();

  /** @param directory its name now (cache-layout.ts) */
  constructor(directory: () => string, options: Pick<LockOptions, 'kind' | 'timeoutMs'>) {
    this.#directory = directory;
    this.#options = options;
  }

  get kind(): LockOptions['kind'] {
    return this.#options.kind;
  }

  /** @throws ClipctlError LOCK_TIMEOUT, STORAGE_*; the signal's reason; what `action` throws */
  async run<T>(hash: ContentHash, options: TurnOptions, action: () => Promise<T>): Promise<T> {
    const { signal } = options;
    let leaveQueue = (): void => undefined;
    const left = new Promise<never>((_, reject) => {
      leaveQueue = () => reject(signal.reason as Error);
    });
    // Every layer of a run may wait here; Node would warn of a leak at eleven.
    setMaxListeners(0, signal);
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

  /** Which lock of the layer is held here; `lease`, which proves least, when none is. */
  kindOf(hash: ContentHash): LockKind {
    return this.#held.get(hash) ?? 'lease';
  }

  /** When everybody who has come so far is through. */
  settled(): Promise<void> {
    return this.#turns.settled();
  }

  async #runLocked<T>(hash: ContentHash, options: TurnOptions, action: () => Promise<T>): Promise<T> {
    options.signal.throwIfAborted();
    const lock = await lockLayer(this.#directory(), hash, { ...this.#options, ...options });
    this.#held.set(hash, lock.kind);
    try {
      return await action();
    } finally {
      this.#held.delete(hash);
      await lock.release();
    }
  }
}
