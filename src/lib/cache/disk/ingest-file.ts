/**
 * One layer on its way into the cache: a temporary file that somebody writes (a worker, by its path), and the commit
 * that makes it visible. Order: size, mode, fsync of the file, link or rename, fsync of the directory, record.
 */
import { dirname, join } from 'node:path';
import { ClipctlError, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { publishFile, syncDirectory } from '../publish-file.ts';
import { lookAtFile, openRegularFile, type FileIdentity, type RegularFile } from '../regular-file.ts';
import { sizeMismatch } from '../write-verified.ts';
import { beginTransfer } from './ingest/begin-transfer.ts';
import { findResume, type ResumeState } from './ingest/find-resume.ts';
import type { TransferKey } from './ingest/journal.ts';
import { removeTransfer, TRANSFER_FILES } from './ingest/transfers.ts';
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
}

/** What is known of a layer before it comes. */
export interface IngestWish extends KnownSize {
  /** Only with the lock of that layer: what killed processes left of it is taken up, or goes. */
  readonly hash?: ContentHash;
  /** Lets another process go on with it, should this one be stopped. Needs `hash`. */
  readonly transfer?: TransferKey;
  /** False: start anew, whatever there is. Default true. */
  readonly mayResume?: boolean;
}

export interface IngestFile {
  /** Exists, and is empty unless a transfer is taken up: open it without O_CREAT, and close it before the commit. */
  readonly path: string;
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
  /** For compressed bytes, where the decompressed ones are no place to go on from. It need not exist yet. */
  readonly spoolPath: string;
  /** For compressed bytes that come before their turn (ingest/ahead-file.ts). It need not exist yet. */
  readonly aheadPath: string;
  /** What an earlier transfer has left. */
  readonly resume?: ResumeState;
}

export interface CreatedFile {
  readonly path: string;
  readonly inode: number;
  readonly journal?: IngestJournal;
}

/** Makes an empty file under a random name, or takes one up. @throws ClipctlError STORAGE_* */
export async function createIngestFile(cacheDir: string, wish: IngestWish, lockKind: LockKind): Promise<CreatedFile> {
  const { hash, transfer, mayResume = true } = wish;
  const begun = await beginTransfer(cacheDir, { hash, key: transfer, lockKind, mayResume });
  const path = join(begun.path, TRANSFER_FILES.layer);
  const found = await lookAtFile(path);
  if (found === undefined || found === 'other') throw tampered(path, 'is gone');
  const journal = {
    journalPath: join(begun.path, TRANSFER_FILES.journal),
    spoolPath: join(begun.path, TRANSFER_FILES.spool),
    aheadPath: join(begun.path, TRANSFER_FILES.ahead),
  };
  return {
    path,
    inode: found.inode,
    ...(transfer === undefined ? {} : { journal: begun.resume === undefined ? journal : { ...journal, resume: begun.resume } }),
  };
}

/** @throws ClipctlError STORAGE_* */
export async function suspendIngestFile(path: string, key: TransferKey | undefined): Promise<void> {
  const resume = key === undefined ? undefined : await findResume(dirname(path), key);
  if (resume === undefined) await discardIngestFile(path);
}

/** @throws ClipctlError STORAGE_* */
export function discardIngestFile(path: string): Promise<void> {
  return removeTransfer(dirname(path));
}

/**
 * Checks what was written and puts it on disk for good, still under its temporary name.
 * @throws ClipctlError SIZE_MISMATCH, STORAGE_*
 */
export async function flushIngestFile(
  created: { readonly path: string; readonly inode: number },
  hash: ContentHash,
  { sizeBytes, durability }: { readonly sizeBytes: number; readonly durability: Durability },
): Promise<FileIdentity> {
  const file = await openRegularFile(created.path);
  if (file === undefined) throw tampered(created.path, 'is gone');
  try {
    if (file.identity.inode !== created.inode) throw tampered(created.path, 'is not the file that was created');
    if (file.links !== 1) throw tampered(created.path, `has ${file.links} names`);
    if (file.identity.sizeBytes !== sizeBytes) throw sizeMismatch(hash, sizeBytes, file.identity.sizeBytes);
    await sealFile(file, durability);
    return file.identity;
  } finally {
    await file.handle.close();
  }
}

async function sealFile({ handle, path }: RegularFile, durability: Durability): Promise<void> {
  try {
    await handle.chmod(0o444);
    if (durability === 'full') await handle.sync();
  } catch (error) {
    throw storageError(error, path, 'flush');
  }
}

/** Somebody else works in the ingest directory: what is under that name can't be trusted. */
function tampered(path: string, what: string): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `the ingest file ${path} ${what}`, { details: { path } });
}

/** @throws ClipctlError STORAGE_* */
export async function publishIngestFile(
  path: string,
  finalPath: string,
  { isTheirsGood, durability }: { readonly isTheirsGood: () => Promise<boolean>; readonly durability: Durability },
): Promise<'published' | 'kept'> {
  const outcome = await publishFile(path, finalPath, { isTheirsGood });
  if (durability === 'full') await syncDirectory(dirname(finalPath));
  return outcome;
}
