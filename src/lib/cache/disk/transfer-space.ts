/**
 * The space that transfers take: our own under way, those of other processes, and what is left of stopped ones. That goes
 * before a layer goes, unless a running process is about to go on with it.
 */
import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ClipctlError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { removeOwn, rewriteOwn } from '../own-file.ts';
import { readSmallFile } from '../regular-file.ts';
import { locksDirectory } from './cache-layout.ts';
import { diskBytesOf, usageOfTree } from './disk-usage.ts';
import { removeTransfer } from './ingest/remove-transfer.ts';
import { listTransfers, TRANSFER_FILES, type Transfer } from './ingest/transfers.ts';
import type { Lease } from './lease.ts';
import { tryLockLayer, type LockOptions } from './lock/layer-lock.ts';
import { readLeases } from './read-leases.ts';

const MAX_PROMISE_BYTES = 16;

export interface TransferSpaceOptions {
  /** The layers that this process wants. */
  readonly lease: Lease;
  readonly lockKind: LockOptions['kind'];
}

/** A transfer under a lock, and what it takes in disk blocks. */
export interface TransferUsage extends Transfer {
  /** All its files. */
  readonly diskBytes: number;
  /** Of the layer alone. */
  readonly layerBytes: number;
  /** When the layer last grew. */
  readonly modifiedMs: number;
}

/** What is taken besides one transfer. */
export interface OtherTransfers {
  /** By others, and what was promised to our own. */
  readonly takenBytes: number;
  /** Of that, promised and not on disk yet. */
  readonly promisedBytes: number;
  /** By the one. */
  readonly ownLayerBytes: number;
  /** In all, on disk, by the transfers that were looked at. */
  readonly seenBytes: number;
}

export class TransferSpace {
  readonly #cacheDir: string;
  readonly #options: TransferSpaceOptions;
  /** Directories of our own transfers, and how large their layers may get as yet. */
  readonly #granted = new Map<string, number>();

  constructor(cacheDir: string, options: TransferSpaceOptions) {
    this.#cacheDir = cacheDir;
    this.#options = options;
  }

  /** A layer is about to come to `path`. */
  begin(path: string): void {
    this.#granted.set(dirname(path), 0);
  }

  /** It may get so large now, unless it has ended meanwhile; other processes see it too. */
  async grant(path: string, bytes: number): Promise<void> {
    const directory = dirname(path);
    if (!this.#granted.has(directory)) return;
    this.#granted.set(directory, bytes);
    await asFarAsPossible(async () => {
      const { uid } = await lstat(path);
      await rewriteOwn({ path: promisePath(directory), owner: uid }, String(bytes));
    });
  }

  /** Nothing more comes: it is committed, or gone, or left. */
  async end(path: string): Promise<void> {
    if (this.#granted.delete(dirname(path))) await asFarAsPossible(() => removeOwn(promisePath(dirname(path))));
  }

  /** How large it may get as yet. */
  grantedBytes(path: string): number {
    return this.#granted.get(dirname(path)) ?? 0;
  }

  /** @throws ClipctlError STORAGE_* */
  async besides(path: string): Promise<OtherTransfers> {
    const sum = { takenBytes: 0, promisedBytes: 0, ownLayerBytes: 0, seenBytes: 0 };
    const wanted = await this.#wanted();
    // It may be under no lock, and in no list.
    const own = await usageOf(dirname(path));
    sum.ownLayerBytes = own.layerBytes;
    sum.seenBytes = own.diskBytes;
    for (const transfer of await this.#look()) {
      const { path: directory, diskBytes, layerBytes } = transfer;
      if (directory !== dirname(path)) {
        sum.seenBytes += diskBytes;
        const granted = this.#granted.get(directory) ?? (wanted.has(transfer.hash) ? await promiseIn(directory) : 0);
        const promised = Math.max(0, granted - layerBytes);
        // What of ours lies beside a layer goes when that is committed.
        sum.takenBytes += promised + (this.#granted.has(directory) ? layerBytes : diskBytes);
        sum.promisedBytes += promised;
      }
    }
    return sum;
  }

  /** What is left of layers that this process is going to bring: it becomes a part of them. @throws ClipctlError STORAGE_* */
  async resumableBytes(): Promise<number> {
    const { held } = this.#options.lease;
    const left = await this.#look(({ hash, path }) => held.has(hash) && !this.#granted.has(path));
    return sumOf(left);
  }

  /** What nobody who runs wants, oldest first. @throws ClipctlError STORAGE_* */
  async stopped(): Promise<TransferUsage[]> {
    const found = await this.#look(({ path }) => !this.#granted.has(path));
    if (found.length === 0) return [];
    const wanted = await this.#wanted();
    return found.filter(({ hash }) => !wanted.has(hash)).toSorted((one, other) => one.modifiedMs - other.modifiedMs);
  }

  /** @throws ClipctlError STORAGE_* */
  async stoppedBytes(): Promise<number> {
    return sumOf(await this.stopped());
  }

  /** Removes as many of them as have to go, but for those that somebody has taken up. Gives the bytes that went. */
  async clear(stopped: readonly TransferUsage[], neededBytes: number): Promise<number> {
    let goneBytes = 0;
    for (const transfer of stopped) {
      if (goneBytes >= neededBytes) break;
      if (await this.#remove(transfer)) goneBytes += transfer.diskBytes;
    }
    return goneBytes;
  }

  /** By any running process. */
  async #wanted(): Promise<Set<ContentHash>> {
    return new Set([...(await readLeases(this.#cacheDir)), ...this.#options.lease.held]);
  }

  async #remove({ hash, path }: Transfer): Promise<boolean> {
    try {
      const lock = await tryLockLayer(locksDirectory(this.#cacheDir), hash, this.#options.lockKind);
      if (lock === undefined) return false;
      await removeTransfer(path).finally(() => lock.release());
      return true;
    } catch (error) {
      // One that can't be removed (another user's, in a shared cache) keeps nobody from the others.
      if (error instanceof ClipctlError) return false;
      throw error;
    }
  }

  async #look(isOfInterest: (transfer: Transfer) => boolean = () => true): Promise<TransferUsage[]> {
    const found = (await listTransfers(this.#cacheDir)).filter(isOfInterest);
    return Promise.all(found.map(async (transfer) => ({ ...transfer, ...(await usageOf(transfer.path)) })));
  }
}

async function usageOf(directory: string): Promise<Omit<TransferUsage, keyof Transfer>> {
  const layer = await lstat(join(directory, TRANSFER_FILES.layer)).catch(() => undefined);
  const { diskBytes } = await usageOfTree(directory);
  return { diskBytes, layerBytes: layer === undefined ? 0 : diskBytesOf(layer), modifiedMs: layer?.mtimeMs ?? 0 };
}

/** Beside the layer: how large it may get. Gone, or wrong, it counts as nothing: the layer itself is counted. */
function promisePath(directory: string): string {
  return join(directory, 'granted');
}

async function promiseIn(directory: string): Promise<number> {
  const text = (await readSmallFile(promisePath(directory), MAX_PROMISE_BYTES).catch(() => undefined))?.text ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

export function sumOf(transfers: readonly TransferUsage[]): number {
  return transfers.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
}
