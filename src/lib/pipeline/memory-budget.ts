/**
 * The one budget for bytes that wait in memory (`--max-memory`, 32 MiB). A layer takes its whole fixed working set
 * before it starts; extra pieces are only tried for. So nobody waits for memory while holding some, and nothing can
 * deadlock. Every buffer over 64 KiB on the data path is made here.
 */
import { ClipctlError } from '../errors.ts';

export const DEFAULT_BUDGET_BYTES = 32 * 1024 * 1024;

export interface BudgetLease {
  readonly bytes: number;
  /** Gives the bytes back; a second call does nothing. */
  release(): void;
}

export interface BufferLease extends BudgetLease {
  readonly buffer: Buffer;
}

export interface SharedLease extends BudgetLease {
  readonly shared: SharedArrayBuffer;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;
  #peakBytes = 0;
  readonly #waiters: Waiter[] = [];
  /** Freed buffers by size, to be handed out again: fresh ones cost page faults and live until a GC. */
  readonly #pool = new Map<number, Buffer[]>();
  readonly #sharedPool = new Map<number, SharedArrayBuffer[]>();

  constructor(limitBytes: number = DEFAULT_BUDGET_BYTES) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The most that was ever leased at once (JSON field `peakBufferedBytes`). */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /**
   * Waits, first come first served, until `bytes` are free.
   * @throws ClipctlError USAGE when it could never fit; the signal's reason when aborted
   */
  async acquire(bytes: number, signal?: AbortSignal): Promise<BudgetLease> {
    if (bytes > this.limitBytes) {
      throw new ClipctlError('USAGE', `--max-memory ${this.limitBytes} is too small: one transfer needs ${bytes} bytes`);
    }
    signal?.throwIfAborted();
    if (this.#waiters.length === 0 && this.#fits(bytes)) return this.#lease(bytes);
    return this.#wait(bytes, signal);
  }

  /** A lease now, or `undefined`: for what is nice to have (look-ahead, one more part in flight). */
  tryAcquire(bytes: number): BudgetLease | undefined {
    return this.#waiters.length === 0 && this.#fits(bytes) ? this.#lease(bytes) : undefined;
  }

  /** A pooled buffer of exactly `bytes`; its old content is still in it. */
  async acquireBuffer(bytes: number, signal?: AbortSignal): Promise<BufferLease> {
    return this.#withBuffer(await this.acquire(bytes, signal));
  }

  tryAcquireBuffer(bytes: number): BufferLease | undefined {
    const lease = this.tryAcquire(bytes);
    return lease === undefined ? undefined : this.#withBuffer(lease);
  }

  /** Pooled memory that a worker can see too; `heldBytes` (≥ `bytes`) are taken from the budget for the whole working set. */
  async acquireShared(bytes: number, heldBytes: number, signal?: AbortSignal): Promise<SharedLease> {
    const lease = await this.acquire(heldBytes, signal);
    const free = this.#sharedPool.get(bytes) ?? [];
    this.#sharedPool.set(bytes, free);
    const shared = free.pop() ?? new SharedArrayBuffer(bytes);
    return { bytes: heldBytes, shared, release: once(() => (free.push(shared), lease.release())) };
  }

  #withBuffer(lease: BudgetLease): BufferLease {
    const free = this.#pool.get(lease.bytes) ?? [];
    this.#pool.set(lease.bytes, free);
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(lease.bytes);
    return { bytes: lease.bytes, buffer, release: once(() => (free.push(buffer), lease.release())) };
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.limitBytes;
  }

  #lease(bytes: number): BudgetLease {
    this.#usedBytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    return { bytes, release: once(() => this.#giveBack(bytes)) };
  }

  #giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
    for (let next = this.#waiters[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#waiters.shift();
      next.grant();
    }
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<BudgetLease> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#lease(bytes));
        },
      };
      const onAbort = (): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        this.#giveBack(0);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
