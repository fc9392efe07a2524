/**
 * One layer on its way into the cache: a temporary file that somebody writes (a worker, by its path), and the commit
 * that makes it visible. Order: size, mode, fsync of the file, record, link or rename, fsync of the directory.
 */
import type { Stats } from 'node:fs';
import { lstat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import { sealFor } from '../group-access.ts';
import { swapped, type OwnFile } from '../own-file.ts';
import { publishFile, syncDirectory } from '../publish-file.ts';
import { identityOf, type FileIdentity } from '../regular-file.ts';
import { sizeMismatch } from '../write-verified.ts';
import { beginTransfer } from './ingest/begin-transfer.ts';
import { findResume, type ResumeState } from './ingest/find-resume.ts';
import type { TransferKey } from './ingest/journal.ts';
import { removeTransfer } from './ingest/remove-transfer.ts';
import { openStopped } from './ingest/stopped-transfer.ts';
import { TRANSFER_FILES } from './ingest/transfers.ts';
import type { KnownSize } from './cache-room.ts';
import type { DigestSeen } from './layer-record.ts';
import type { LockKind } from './lock/lock-holder.ts';

/** `full`: what has a final name outlives a power loss. `none`: that is left to the operating system. */
export type Durability = 'full' | 'none';

export interface CommitOptions {
  /** Decompressed size, as the writer counted it. */
  readonly sizeBytes: number;
  /** The compressed form that the content came from. */
  readonly digestSeen?: DigestSeen;
  readonly signal: AbortSignal;
}

/** How large a layer may get: the room for more than was known beforehand is asked for while it comes. */
export interface IngestGrowth {
  /** As yet. */
  readonly grantedBytes: number;
  /**
   * Gives how large it may get from now on, which is `endBytes` at least.
   * @throws ClipctlError STORAGE_FULL when there is no room, and the file is empty then; STORAGE_*, LOCK_TIMEOUT
   */
  more(endBytes: number, signal: AbortSignal): Promise<number>;
  /** Whether the file of what comes before its turn may get so large. @throws ClipctlError STORAGE_*, LOCK_TIMEOUT */
  readonly ahead: (endBytes: number) => Promise<boolean>;
}

/** What is known of a layer before it comes. */
export interface IngestWish extends KnownSize {
  /** Only with the lock of that layer: what killed processes left of it is taken up, or goes. */
  readonly hash?: ContentHash;
  /** Lets another process go on with it, should this one be stopped. Needs `hash`. */
  readonly transfer?: TransferKey;
  /** How large its compressed bytes may get beside it; undefined: they need not be kept. */
  readonly spoolBytes?: number;
  /** False: start anew, whatever there is. Default true. */
  readonly mayResume?: boolean;
}

/** Exists, and is empty unless a transfer is taken up: open it as an own file, without O_CREAT, and close it before the commit. */
export interface IngestFile extends Required<OwnFile> {
  /** With `none` its writer need not flush it either. */
  readonly durability: Durability;
  /** Undefined: it can't be taken up later. */
  readonly journal?: IngestJournal;
  readonly growth: IngestGrowth;
  /**
   * Makes the file visible as the content `hash`. The writer has checked that it has that sha256; size, kind and
   * identity of the file are checked here. What stood under the name stays when it is verified, else it is replaced.
   * @throws ClipctlError SIZE_MISMATCH, STORAGE_* (STORAGE_FULL also when the cache's limits leave no room for its size);
   * the signal's reason. Nothing of ours is visible then
   */
  commit(hash: ContentHash, options: CommitOptions): Promise<void>;
  /** Drops the temporary file; after a commit it does nothing. */
  discard(): Promise<void>;
  /** Leaves it for the next run, if that can go on with it; else drops it. @throws ClipctlError STORAGE_* */
  suspend(): Promise<void>;
}

/** Where the writer notes how far it is. */
export interface IngestJournal {
  readonly journalPath: string;
  /** For compressed bytes, where the decompressed ones are no place to go on from. */
  readonly spoolPath: string;
  /** There is room for them. When the file is gone all the same, somebody needed the room more. */
  readonly isSpooled: boolean;
  /** For compressed bytes that come before their turn (ingest/ahead-file.ts). It need not exist yet. */
  readonly aheadPath: string;
  /** Whose these files must be: others may write in the directory. */
  readonly owner: number;
  /** What an earlier transfer has left. */
  readonly resume?: ResumeState;
}

export interface CreatedFile extends Required<OwnFile> {
  /** Whatever comes to stand under the path: this is the file that was created, and no other is made visible. */
  readonly handle: FileHandle;
  readonly journal?: IngestJournal;
}

/** Makes an empty file under a random name, or takes one up. @throws ClipctlError STORAGE_* */
export async function createIngestFile(cacheDir: string, wish: IngestWish, lockKind: LockKind): Promise<CreatedFile> {
  const { hash, transfer, mayResume = true } = wish;
  const { path, layer, resume } = await beginTransfer(cacheDir, { hash, key: transfer, lockKind, mayResume });
  const { ino, uid } = await statsOf({ handle: layer, path });
  const journal = {
    journalPath: join(path, TRANSFER_FILES.journal),
    spoolPath: join(path, TRANSFER_FILES.spool),
    aheadPath: join(path, TRANSFER_FILES.ahead),
    isSpooled: false,
    owner: uid,
    ...(resume && { resume }),
  };
  const created = { path: join(path, TRANSFER_FILES.layer), handle: layer, inode: ino, owner: uid };
  return transfer === undefined ? created : { ...created, journal };
}

/** What a worker needs to open it. */
export function ownFileOf({ path, owner, inode }: IngestFile): OwnFile {
  return { path, owner, inode };
}

/** @throws ClipctlError STORAGE_* */
export async function suspendIngestFile(created: CreatedFile, key: TransferKey | undefined): Promise<void> {
  await created.handle.close();
  const stopped = key === undefined ? undefined : await openStopped(dirname(created.path));
  let isWorthKeeping = false;
  try {
    isWorthKeeping = stopped !== undefined && key !== undefined && (await findResume(stopped, key)) !== undefined;
  } finally {
    await stopped?.close();
  }
  if (!isWorthKeeping) await discardIngestFile(created);
}

/** @throws ClipctlError STORAGE_* */
export async function discardIngestFile({ handle, path }: CreatedFile): Promise<void> {
  await handle.close();
  await removeTransfer(dirname(path));
}

/**
 * Checks what was written and puts it on disk for good, still under its temporary name.
 * @throws ClipctlError SIZE_MISMATCH, STORAGE_*
 */
export async function flushIngestFile(
  created: CreatedFile,
  hash: ContentHash,
  { sizeBytes, durability }: { readonly sizeBytes: number; readonly durability: Durability },
): Promise<FileIdentity> {
  await requireWhole(created, hash, sizeBytes);
  await sealFile(created, durability);
  // Once more: who takes it up for want of a lock that holds may have come meanwhile.
  return identityOf(await requireWhole(created, hash, sizeBytes));
}

async function requireWhole(created: CreatedFile, hash: ContentHash, sizeBytes: number): Promise<Stats> {
  const { path, inode } = created;
  const stats = await statsOf(created);
  if (stats.nlink === 0) throw swapped(path, 'is gone');
  if (stats.nlink !== 1) throw swapped(path, `has ${stats.nlink} names`);
  if (!(await isUnder(path, inode))) throw swapped(path);
  if (stats.size !== sizeBytes) throw sizeMismatch(hash, sizeBytes, stats.size);
  return stats;
}

async function statsOf({ handle, path }: Pick<CreatedFile, 'handle' | 'path'>): Promise<Stats> {
  try {
    return await handle.stat();
  } catch (error) {
    throw storageError(error, path, 'look at');
  }
}

async function sealFile({ handle, path }: CreatedFile, durability: Durability): Promise<void> {
  try {
    await sealFor(handle, path);
    if (durability === 'full') await handle.sync();
  } catch (error) {
    throw storageError(error, path, 'flush');
  }
}

/** What does not fit is not to stand in the way of others. What another has taken up is that one's. @throws ClipctlError STORAGE_* */
export async function emptyIngestFile({ handle, path, inode }: CreatedFile): Promise<void> {
  if (await isUnder(path, inode)) await handle.truncate(0);
}

async function isUnder(path: string, inode: number): Promise<boolean> {
  try {
    return (await lstat(path)).ino === inode;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw storageError(error, path, 'look at');
  }
}

/**
 * The name may have come to stand for another file: what is visible afterwards must be looked at again.
 * @throws ClipctlError STORAGE_*
 */
export async function publishIngestFile(
  { path }: CreatedFile,
  finalPath: string,
  { isTheirsGood, durability }: { readonly isTheirsGood: () => Promise<boolean>; readonly durability: Durability },
): Promise<'published' | 'kept'> {
  const outcome = await publishFile(path, finalPath, { isTheirsGood });
  if (durability === 'full') await syncDirectory(dirname(finalPath));
  return outcome;
}
