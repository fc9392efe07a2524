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
import { leasesDirectory, locksDirectory } from './cache-layout.ts';
import { diskBytesOf, usageOfTree } from './disk-usage.ts';
import { removeTransfer } from './ingest/remove-transfer.ts';
import { listTransfers, listUnlocked, TRANSFER_FILES, type Transfer } from './ingest/transfers.ts';
import type { Lease } from './lease.ts';
import { tryLockLayer, type LockOptions } from './lock/layer-lock.ts';
import { readLeases } from './read-leases.ts';
import { namesIn } from './state-file.ts';

const MAX_PROMISE_BYTES = 16;

export interface TransferSpaceOptions {
  /** The layers that this process wants. */
  readonly lease: Lease;
  readonly lockKind: LockOptions['kind'];
}

/** What a transfer takes in disk blocks. */
export interface SpaceUsage {
  /** All its files. */
  readonly diskBytes: number;
  /** Of the layer alone. */
  readonly layerBytes: number;
  /** When the layer last grew. */
  readonly modifiedMs: number;
  /** Of the layer's file. */
  readonly inode: number | undefined;
}

/** A transfer under a lock. */
export interface TransferUsage extends Transfer, SpaceUsage {}

/** What is taken besides one transfer. */
export interface OtherTransfers {
  /** By others, and what was promised to our own. */
  readonly takenBytes: number;
  /** Of that, promised and not on disk yet. */
  readonly promisedBytes: number;
  /** By the one. */
  readonly ownLayerBytes: number;
}

/** A transfer, or what is like one and under no lock, as it is just now. */
export interface SeenTransfer {
  readonly directory: string;
  readonly usage: SpaceUsage;
  readonly promisedBytes: number;
  /** A running process wants the layer: what lies beside it goes when that is committed. */
  readonly isWanted: boolean;
}

/** What other processes may add, as far as it shows without a lock. */
export interface OtherProcesses {
  /** This one among them; some may have ended. */
  readonly processes: number;
  /** To their transfers, and not on disk yet. */
  readonly promisedBytes: number;
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

  /** All of them: look before the layers are counted, or one that gets its name meanwhile is missed. @throws ClipctlError STORAGE_* */
  async seen(): Promise<SeenTransfer[]> {
    const wanted = await this.#wanted();
    const seen = async (directory: string, isTheirs: boolean): Promise<SeenTransfer> => {
      const granted = this.#granted.get(directory) ?? (isTheirs ? await promiseIn(directory) : 0);
      const usage = await usageOf(directory);
      // Without its layer it has just ended: what was promised is there, or will not come.
      const promisedBytes = usage.inode === undefined ? 0 : Math.max(0, granted - usage.layerBytes);
      return { directory, usage, promisedBytes, isWanted: isTheirs || this.#granted.has(directory) };
    };
    const listed = await listTransfers(this.#cacheDir);
    const unlocked = await listUnlocked(this.#cacheDir);
    return Promise.all([
      ...listed.map(({ hash, path }) => seen(path, wanted.has(hash))),
      ...unlocked.map((path) => seen(path, false)),
    ]);
  }

  /** @throws ClipctlError STORAGE_* */
  async otherProcesses(): Promise<OtherProcesses> {
    const theirs = await this.#look(({ path }) => !this.#granted.has(path));
    const promised = await Promise.all(
      theirs.map(async ({ path, layerBytes }) => Math.max(0, (await promiseIn(path)) - layerBytes)),
    );
    const leases = await namesIn(leasesDirectory(this.#cacheDir));
    return { processes: leases.length, promisedBytes: promised.reduce((sum, bytes) => sum + bytes, 0) };
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

  async #look(isOfInterest: (transfer: Transfer) => boolean): Promise<TransferUsage[]> {
    const found = (await listTransfers(this.#cacheDir)).filter(isOfInterest);
    return Promise.all(found.map(async (transfer) => ({ ...transfer, ...(await usageOf(transfer.path)) })));
  }
}

async function usageOf(directory: string): Promise<SpaceUsage> {
  const layer = await lstat(join(directory, TRANSFER_FILES.layer)).catch(() => undefined);
  const { diskBytes } = await usageOfTree(directory);
  return {
    diskBytes,
    layerBytes: layer === undefined ? 0 : diskBytesOf(layer),
    modifiedMs: layer?.mtimeMs ?? 0,
    inode: layer?.ino,
  };
}

/** Beside the layer: how large it may get. Gone, or wrong, it counts as nothing: the layer itself is counted. */
function promisePath(directory: string): string {
  return join(directory, 'granted');
}

async function promiseIn(directory: string): Promise<number> {
  const text = (await readSmallFile(promisePath(directory), MAX_PROMISE_BYTES).catch(() => undefined))?.text ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** What is taken besides the transfer to `path`; those of `published` inodes are layers by now. */
export function besides(path: string, seen: readonly SeenTransfer[], published: ReadonlySet<number>): OtherTransfers {
  const sum = { takenBytes: 0, promisedBytes: 0, ownLayerBytes: 0 };
  for (const { directory, usage, promisedBytes, isWanted } of seen) {
    if (directory === dirname(path)) sum.ownLayerBytes = usage.layerBytes;
    else if (usage.inode === undefined || !published.has(usage.inode)) {
      sum.takenBytes += promisedBytes + (isWanted ? usage.layerBytes : usage.diskBytes);
      sum.promisedBytes += promisedBytes;
    }
  }
  return sum;
}

export function sumOf(transfers: readonly TransferUsage[]): number {
  return transfers.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
}
