/**
 * One process at a time brings a layer (DESIGN §2): the others wait, and find it on disk. A lock is a lease that every
 * process understands, and where it works also the kernel's lock, which tells at once that its holder is dead. It saves
 * work and guards what can be resumed; that a layer is right never depends on it.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClipctlError, storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { hasKernelLocks, tryKernelLock, type KernelLock } from './kernel-lock.ts';
import { breakLease, isStale, lookAtLease, STALE_MS, tryLease, type Lease, type LeaseSight } from './lease.ts';
import { describeSelf, isStopped, type LockHolder, type LockKind } from './lock-holder.ts';

/** How often a waiter looks. */
const POLL_MS = 100;

export interface LockOptions {
  /** `lease` leaves the kernel's lock out. */
  readonly kind: 'auto' | 'lease';
  readonly signal: AbortSignal;
  /** Told whom we wait for, once a holder, and when it is stopped or goes on; `undefined` when the lease does not say. */
  readonly onWait?: (holder: LockHolder | undefined) => void;
  /** It is told when we have waited for so long. Default 0. */
  readonly tellAfterMs?: number;
  /** Give up after so long; undefined = wait as long as the holder lives. */
  readonly timeoutMs?: number;
  /** For tests: when a lease that does not move is taken for dead. */
  readonly staleMs?: number;
}

export interface LayerLock {
  readonly kind: LockKind;
  release(): Promise<void>;
}

/**
 * Waits for the lock of a layer. `locksDirectory` must exist.
 * @throws ClipctlError LOCK_TIMEOUT, STORAGE_*; the signal's reason
 */
export async function lockLayer(locksDirectory: string, hash: ContentHash, options: LockOptions): Promise<LayerLock> {
  const path = join(locksDirectory, hash);
  const waiter = new Waiter(path, options);
  try {
    const usesKernel = options.kind === 'auto' && (await hasKernelLocks(locksDirectory));
    if (!usesKernel) {
      const lease = await waiter.takeLease('lease');
      return { kind: 'lease', release: () => unlock(path, lease) };
    }
    const kernel = await waiter.takeKernelLock();
    try {
      const lease = await waiter.takeLease('kernel');
      return { kind: 'kernel', release: () => unlock(path, lease, kernel) };
    } catch (error) {
      await kernel.release();
      throw error;
    }
  } catch (error) {
    options.signal.throwIfAborted();
    throw storageError(error, path, 'lock');
  }
}

/** The lock when nobody has it; `undefined` = somebody is at work. @throws ClipctlError STORAGE_* */
export async function tryLockLayer(
  locksDirectory: string,
  hash: ContentHash,
  kind: LockOptions['kind'],
): Promise<LayerLock | undefined> {
  try {
    return await lockLayer(locksDirectory, hash, { kind, signal: new AbortController().signal, timeoutMs: 0 });
  } catch (error) {
    if (error instanceof ClipctlError && error.code === 'LOCK_TIMEOUT') return undefined;
    throw error;
  }
}

/** @throws ClipctlError STORAGE_* */
async function unlock(path: string, lease: Lease, kernel?: KernelLock): Promise<void> {
  try {
    try {
      await lease.release();
    } finally {
      await kernel?.release();
    }
  } catch (error) {
    throw storageError(error, path, 'unlock');
  }
}

class Waiter {
  readonly #path: string;
  readonly #options: LockOptions;
  readonly #startMs = performance.now();
  #sight: LeaseSight | undefined;
  #told: string | undefined;

  constructor(path: string, options: LockOptions) {
    this.#path = path;
    this.#options = options;
  }

  async takeKernelLock(): Promise<KernelLock> {
    for (;;) {
      const lock = await tryKernelLock(`${this.#path}.lock`);
      if (lock !== undefined) return lock;
      await this.#look();
      await this.#pause();
    }
  }

  async takeLease(kind: LockKind): Promise<Lease> {
    const { staleMs = STALE_MS } = this.#options;
    const path = this.#leasePath;
    for (;;) {
      this.#options.signal.throwIfAborted();
      const lease = await tryLease(path, describeSelf(kind));
      if (lease !== undefined) return lease;
      const sight = await this.#look();
      if (sight === undefined) continue;
      if (isStale(sight, { hasKernelLock: kind === 'kernel', staleMs })) await breakLease(path, sight);
      else await this.#pause();
    }
  }

  get #leasePath(): string {
    return `${this.#path}.lease`;
  }

  async #look(): Promise<LeaseSight | undefined> {
    this.#sight = await lookAtLease(this.#leasePath, this.#sight);
    return this.#sight;
  }

  async #pause(): Promise<void> {
    const { signal, timeoutMs = Infinity, onWait, tellAfterMs = 0 } = this.#options;
    const holder = this.#holder();
    const waitedMs = performance.now() - this.#startMs;
    if (waitedMs >= timeoutMs) throw lockTimeout(this.#path, holder);
    const told = holder === undefined ? '' : `${holder.token} ${holder.isStopped}`;
    if (waitedMs >= tellAfterMs && this.#told !== told) {
      onWait?.(holder);
      this.#told = told;
    }
    await sleep(POLL_MS, undefined, { signal });
  }

  #holder(): (LockHolder & { readonly token: string; readonly isStopped: boolean }) | undefined {
    const holder = this.#sight?.holder;
    return holder && { ...holder, isStopped: isStopped(holder) };
  }
}

function lockTimeout(path: string, holder: LockHolder | undefined): ClipctlError {
  const who = holder === undefined ? 'another process' : `${holder.command} (pid ${holder.pid} on ${holder.host})`;
  const { pid, host, isStopped: isAtRest = false } = holder ?? {};
  const what = isAtRest ? 'is stopped, and has a layer' : 'is still bringing a layer';
  return new ClipctlError('LOCK_TIMEOUT', `${who} ${what} that this command waits for`, {
    details: { path, pid, host },
    hint: isAtRest
      ? `Let that process go on (kill -CONT ${pid}), or end it.`
      : 'Wait longer with --lock-timeout, or look at what that process does.',
  });
}
