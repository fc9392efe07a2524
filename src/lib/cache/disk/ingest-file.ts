/**
 * One layer on its way into the cache: a temporary file that somebody writes (a worker, by its path), and the commit
 * that makes it visible. Order: size, mode, fsync of the file, link or rename, fsync of the directory, record.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ClipctlError, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { publishFile, syncDirectory } from '../publish-file.ts';
import { openRegularFile, type FileIdentity, type RegularFile } from '../regular-file.ts';
import { sizeMismatch } from '../write-verified.ts';
import { newTransferPath, removeTransfer } from './ingest/transfers.ts';
import type { DigestSeen } from './layer-record.ts';

/** `full`: what has a final name outlives a power loss. `none`: that is left to the operating system. */
export type Durability = 'full' | 'none';

export interface CommitOptions {
  /** Decompressed size, as the writer counted it. */
  readonly sizeBytes: number;
  /** The compressed form that the content came from. */
  readonly digestSeen?: DigestSeen;
  readonly signal: AbortSignal;
}

export interface IngestFile {
  /** Exists and is empty: open it for writing, without O_CREAT, and close it before the commit. */
  readonly path: string;
  /** With `none` its writer need not flush it either. */
  readonly durability: Durability;
  /**
   * Makes the file visible as the content `hash`. The writer has checked that it has that sha256; size, kind and
   * identity of the file are checked here. What stood under the name stays when it is verified, else it is replaced.
   * @throws ClipctlError SIZE_MISMATCH, STORAGE_*; the signal's reason. Nothing of ours is visible then
   */
  commit(hash: ContentHash, options: CommitOptions): Promise<void>;
  /** Drops the temporary file; after a commit it does nothing. */
  discard(): Promise<void>;
}

/** Creates an empty file under a random name. With `hash` the caller has the lock of that layer. @throws ClipctlError STORAGE_* */
export async function createIngestFile(cacheDir: string, hash?: ContentHash): Promise<{ path: string; inode: number }> {
  const path = join(newTransferPath(cacheDir, hash), 'layer');
  try {
    await mkdir(dirname(path), { mode: 0o700 });
    const handle = await open(path, 'wx', 0o600);
    try {
      return { path, inode: (await handle.stat()).ino };
    } finally {
      await handle.close();
    }
  } catch (error) {
    await discardIngestFile(path);
    throw storageError(error, path, 'create');
  }
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
