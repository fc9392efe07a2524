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
  /** Freed memory by size, to be handed out again: fresh one costs page faults and lives until a GC. */
  readonly #buffers = new Map<number, Buffer[]>();
  readonly #shared = new Map<number, SharedArrayBuffer[]>();
  /** Of the freed memory. With the used bytes it stays within the limit: else each size in use would add its own limit. */
  #idleBytes = 0;

  constructor(limitBytes: number = DEFAULT_BUDGET_BYTES) {
    this.limitBytes = limitBytes;
  }

  /** Freed memory kept for the next lease of its size. */
  get idleBytes(): number {
    return this.#idleBytes;
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
    const lease = await this.#take(bytes, signal);
    this.#dropIdle();
    return lease;
  }

  /** A lease now, or `undefined`: for what is nice to have (look-ahead, one more part in flight). */
  tryAcquire(bytes: number): BudgetLease | undefined {
    const lease = this.#tryTake(bytes);
    this.#dropIdle();
    return lease;
  }

  /** A pooled buffer of exactly `bytes`; its old content is still in it. Throws as acquire does. */
  async acquireBuffer(bytes: number, signal?: AbortSignal): Promise<BufferLease> {
    return this.#withBuffer(await this.#take(bytes, signal));
  }

  /** A pooled buffer now, or `undefined`. */
  tryAcquireBuffer(bytes: number): BufferLease | undefined {
    const lease = this.#tryTake(bytes);
    return lease === undefined ? undefined : this.#withBuffer(lease);
  }

  /** Pooled memory that a worker can see too; `heldBytes` (≥ `bytes`) are taken from the budget for the whole working set. */
  async acquireShared(bytes: number, heldBytes: number, signal?: AbortSignal): Promise<SharedLease> {
    const lease = await this.#take(heldBytes, signal);
    const [shared, giveBack] = this.#fromPool(this.#shared, bytes, () => new SharedArrayBuffer(bytes));
    return { bytes: heldBytes, shared, release: once(() => (giveBack(), lease.release())) };
  }

  /** A pooled buffer whose bytes are part of a lease that the caller holds. It is given back right after that lease. */
  bufferWithin(bytes: number): BufferLease {
    const [buffer, giveBack] = this.#fromPool(this.#buffers, bytes, () => Buffer.allocUnsafeSlow(bytes));
    return { bytes, buffer, release: once(giveBack) };
  }

  #withBuffer(lease: BudgetLease): BufferLease {
    const [buffer, giveBack] = this.#fromPool(this.#buffers, lease.bytes, () => Buffer.allocUnsafeSlow(lease.bytes));
    return { bytes: lease.bytes, buffer, release: once(() => (giveBack(), lease.release())) };
  }

  #fromPool<T>(pool: Map<number, T[]>, bytes: number, allocate: () => T): [memory: T, giveBack: () => void] {
    const free = pool.get(bytes) ?? [];
    pool.set(bytes, free);
    const pooled = free.pop();
    if (pooled !== undefined) this.#idleBytes -= bytes;
    this.#dropIdle();
    const memory = pooled ?? allocate();
    const giveBack = (): void => {
      free.push(memory);
      this.#idleBytes += bytes;
    };
    return [memory, giveBack];
  }

  /** Leaves what was freed to the garbage collector as far as the bytes in use need the room. */
  #dropIdle(): void {
    for (const pool of [this.#buffers, this.#shared] as readonly Map<number, unknown[]>[]) {
      for (const [bytes, free] of pool) {
        while (this.#usedBytes + this.#idleBytes > this.limitBytes && free.pop() !== undefined) this.#idleBytes -= bytes;
      }
    }
  }

  async #take(bytes: number, signal: AbortSignal | undefined): Promise<BudgetLease> {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new ClipctlError('INTERNAL', `not a number of bytes: ${bytes}`);
    if (bytes > this.limitBytes) {
      throw new ClipctlError('USAGE', `--max-memory ${this.limitBytes} is too small: one transfer needs ${bytes} bytes`);
    }
    signal?.throwIfAborted();
    return this.#tryTake(bytes) ?? this.#wait(bytes, signal);
  }

  #tryTake(bytes: number): BudgetLease | undefined {
    return this.#waiters.length === 0 && this.#fits(bytes) ? this.#lease(bytes) : undefined;
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
