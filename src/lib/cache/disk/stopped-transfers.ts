/** What is left of stopped transfers: it goes before a layer goes, unless a running process is about to go on with it. */
import { ClipctlError } from '../../errors.ts';
import { locksDirectory } from './cache-layout.ts';
import type { GrantedBytes } from './granted-bytes.ts';
import { dropTransfer } from './ingest/settle-commit.ts';
import { listTransfers, type Transfer } from './ingest/transfers.ts';
import type { Lease } from './lease.ts';
import { tryLockLayer, type LockOptions } from './lock/layer-lock.ts';
import { readWanted } from './read-leases.ts';
import { freeableBytesOf, usageOfEach, type TransferUsage } from './transfer-usage.ts';

export interface StoppedOptions {
  readonly granted: GrantedBytes;
  /** The layers that this process wants. */
  readonly lease: Lease;
  readonly lockKind: LockOptions['kind'];
}

export class StoppedTransfers {
  readonly #cacheDir: string;
  readonly #options: StoppedOptions;

  constructor(cacheDir: string, options: StoppedOptions) {
    this.#cacheDir = cacheDir;
    this.#options = options;
  }

  /** What is left of layers that this process is going to bring: it becomes a part of them. @throws ClipctlError STORAGE_* */
  async resumableBytes(): Promise<number> {
    const { held } = this.#options.lease;
    return freeableBytesOf(await usageOfEach((await this.#notOurs()).filter(({ hash }) => held.has(hash))));
  }

  /** What nobody who runs wants, oldest first. @throws ClipctlError STORAGE_* */
  async list(): Promise<TransferUsage[]> {
    const found = await usageOfEach(await this.#notOurs());
    if (found.length === 0) return [];
    const wanted = await readWanted(this.#cacheDir, this.#options.lease);
    return found.filter(({ hash }) => !wanted.has(hash)).toSorted((one, other) => one.modifiedMs - other.modifiedMs);
  }

  /** Removes as many of them as have to go, but for those that somebody has taken up. Gives the bytes that went. */
  async clear(stopped: readonly TransferUsage[], neededBytes: number): Promise<number> {
    let goneBytes = 0;
    for (const transfer of stopped) {
      if (goneBytes >= neededBytes) break;
      if (await this.#remove(transfer)) goneBytes += transfer.freeableBytes;
    }
    return goneBytes;
  }

  async #remove(transfer: Transfer): Promise<boolean> {
    try {
      const lock = await tryLockLayer(locksDirectory(this.#cacheDir), transfer.hash, this.#options.lockKind);
      if (lock === undefined) return false;
      await dropTransfer(this.#cacheDir, transfer).finally(() => lock.release());
      return true;
    } catch (error) {
      // One that can't be removed (another user's, in a shared cache) keeps nobody from the others.
      if (error instanceof ClipctlError) return false;
      throw error;
    }
  }

  async #notOurs(): Promise<Transfer[]> {
    return (await listTransfers(this.#cacheDir)).filter(({ path }) => !this.#options.granted.isOurs(path));
  }
}
