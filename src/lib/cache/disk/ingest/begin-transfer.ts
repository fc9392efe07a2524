/** Begins a transfer, or takes up one that was stopped. The caller has the lock of the layer. */
import { constants } from 'node:fs';
import { chmod, copyFile, lstat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError, storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { createFile, isGroupDirectory, READ_BY_GROUP } from '../../group-access.ts';
import { makeOneDirectory } from '../../make-directory.ts';
import { lookAtFile } from '../../regular-file.ts';
import { directoryModeOf } from '../cache-layout.ts';
import type { LockKind } from '../lock/lock-holder.ts';
import { findResume, type ResumeState } from './find-resume.ts';
import { headerLine, type TransferKey } from './journal.ts';
import { isUnpublished, listTransfers, newTransferPath, removeTransfer, TRANSFER_FILES } from './transfers.ts';

export interface BeginOptions {
  /** Undefined: it is under no lock, and nothing is taken up. */
  readonly hash: ContentHash | undefined;
  /** Undefined: it can't be taken up later. */
  readonly key: TransferKey | undefined;
  readonly lockKind: LockKind;
  readonly mayResume: boolean;
}

export interface BegunTransfer {
  /** Its directory. */
  readonly path: string;
  readonly resume?: ResumeState;
}

/** @throws ClipctlError STORAGE_* */
export async function beginTransfer(cacheDir: string, options: BeginOptions): Promise<BegunTransfer> {
  const { hash } = options;
  const found = hash === undefined ? undefined : await takeUp(cacheDir, { ...options, hash });
  return found ?? { path: await createTransfer(cacheDir, options) };
}

/** A transfer of `key` was stopped, and has something that need not be fetched again. @throws ClipctlError STORAGE_* */
export async function hasStoppedTransfer(cacheDir: string, hash: ContentHash, key: TransferKey): Promise<boolean> {
  for (const transfer of await listTransfers(cacheDir)) {
    if (transfer.hash !== hash || !(await isUnpublished(transfer.path))) continue;
    if ((await unlessRefused(() => findResume(transfer.path, key))) !== undefined) return true;
  }
  return false;
}

/** The one with the most to keep; the others go. */
async function takeUp(
  cacheDir: string,
  { hash, key, lockKind, mayResume }: BeginOptions & { readonly hash: ContentHash },
): Promise<BegunTransfer | undefined> {
  let best: Required<BegunTransfer> | undefined;
  for (const { path, hash: its } of await listTransfers(cacheDir)) {
    if (its !== hash) continue;
    const resume =
      mayResume && key !== undefined && (await isUnpublished(path))
        ? await unlessRefused(() => findResume(path, key))
        : undefined;
    const isBetter = resume !== undefined && resume.keptBytes > (best?.resume.keptBytes ?? -1);
    const loser = isBetter ? best?.path : path;
    if (isBetter) best = { path, resume };
    if (loser !== undefined) await removeTransfer(loser);
  }
  if (best === undefined) return undefined;
  const isOurs = lockKind === 'kernel' && (await isOwnedByUs(best.path));
  const { path: from } = best;
  const path = isOurs ? from : await unlessRefused(() => copyTransfer(cacheDir, from, hash));
  if (path === undefined) return undefined;
  await openForWriting(path, best.resume);
  return { path, resume: best.resume };
}

/** What another user lets nobody read is no help, and no harm. */
async function unlessRefused<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof ClipctlError && error.code === 'STORAGE_DENIED') return undefined;
    throw error;
  }
}

/** What another member of the group has made, only that one can change the mode of. */
async function isOwnedByUs(path: string): Promise<boolean> {
  const { uid } = await lstat(path);
  return uid === (process.getuid?.() ?? uid);
}

/** A lease does not prove that its last holder is dead: what that one may still write to is left to it. */
async function copyTransfer(cacheDir: string, from: string, hash: ContentHash): Promise<string> {
  const to = newTransferPath(cacheDir, hash);
  try {
    await makeOneDirectory(to, await directoryModeOf(cacheDir));
    for (const name of Object.values(TRANSFER_FILES)) {
      if ((await lookAtFile(join(from, name))) === undefined) continue;
      await copyFile(join(from, name), join(to, name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
  } catch (error) {
    await removeTransfer(to);
    throw storageError(error, to, 'copy');
  }
  await removeTransfer(from);
  return to;
}

async function openForWriting(path: string, resume: ResumeState): Promise<void> {
  const layer = join(path, TRANSFER_FILES.layer);
  try {
    // It was read-only already when it was killed right before its commit.
    await chmod(layer, (await isGroupDirectory(path)) ? READ_BY_GROUP : 0o600);
    if (resume.kind === 'spans') return;
    await truncate(layer, resume.kind === 'points' ? resume.point.uncompressedOffset : 0);
    if (resume.kind === 'spool') await truncate(join(path, TRANSFER_FILES.spool), resume.keptBytes);
  } catch (error) {
    throw storageError(error, layer, 'open');
  }
}

/** Another member goes on with a copy. */
const MODES = { mode: 0o600, groupMode: READ_BY_GROUP };

async function createTransfer(cacheDir: string, { hash, key }: BeginOptions): Promise<string> {
  const path = newTransferPath(cacheDir, hash);
  try {
    await makeOneDirectory(path, await directoryModeOf(cacheDir));
    await createFile(join(path, TRANSFER_FILES.layer), '', MODES);
    if (key !== undefined) await createFile(join(path, TRANSFER_FILES.journal), headerLine(key), MODES);
    return path;
  } catch (error) {
    await removeTransfer(path);
    throw storageError(error, path, 'create');
  }
}
