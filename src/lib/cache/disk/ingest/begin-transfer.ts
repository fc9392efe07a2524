/** Begins a transfer, or takes up one that was stopped. The caller has the lock of the layer. */
import { rename, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { makeOneDirectory } from '../../make-directory.ts';
import { createOwn } from '../../own-file.ts';
import { asFarAsPossible } from '../as-far-as-possible.ts';
import { directoryModeOf } from '../cache-layout.ts';
import type { LockKind } from '../lock/lock-holder.ts';
import { copyTransferFiles } from './copy-transfer.ts';
import { findResume, type FoundResume, type ResumeState } from './find-resume.ts';
import { headerLine, withLockKind, type TransferKey } from './journal.ts';
import { removeTransfer } from './remove-transfer.ts';
import { settleCommit } from './settle-commit.ts';
import { openStopped, type StoppedTransfer } from './stopped-transfer.ts';
import { listTransfers, newTransferPath, TRANSFER_FILES, type TransferFile } from './transfers.ts';
import { reopenTransfer } from './reopen-transfer.ts';

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
  /** Its layer file, held until the end: whatever stands under the name later, this is the file. The caller closes it. */
  readonly layer: FileHandle;
  readonly resume?: ResumeState;
}

/** @throws ClipctlError STORAGE_* */
export async function beginTransfer(cacheDir: string, options: BeginOptions): Promise<BegunTransfer> {
  const { hash, key } = options;
  const found = hash === undefined ? undefined : await takeUp(cacheDir, { ...options, hash });
  return found ?? (await createTransfer(cacheDir, hash, key && headerLine(key, options.lockKind)));
}

/** A transfer of `key` was stopped, and has something that need not be fetched again. @throws ClipctlError STORAGE_* */
export async function hasStoppedTransfer(cacheDir: string, hash: ContentHash, key: TransferKey): Promise<boolean> {
  for (const transfer of await listTransfers(cacheDir)) {
    if (transfer.hash !== hash) continue;
    const candidate = await openCandidate(transfer.path, key);
    await candidate?.stopped.close();
    if (candidate !== undefined) return true;
  }
  return false;
}

interface Candidate {
  readonly stopped: StoppedTransfer;
  readonly found: FoundResume;
}

/** The one with the most to keep; the others go, as far as they can be removed: those of another member of a group may stay. */
async function takeUp(
  cacheDir: string,
  { hash, key, lockKind, mayResume }: BeginOptions & { readonly hash: ContentHash },
): Promise<BegunTransfer | undefined> {
  let best: Candidate | undefined;
  try {
    for (const { path, hash: its } of await listTransfers(cacheDir)) {
      if (its !== hash) continue;
      await asFarAsPossible(() => settleCommit(cacheDir, { hash, path }));
      const candidate = mayResume && key !== undefined ? await openCandidate(path, key) : undefined;
      const isBetter = candidate !== undefined && keptBytesOf(candidate) > keptBytesOf(best);
      const loser = isBetter ? best : candidate;
      if (isBetter) best = candidate;
      await loser?.stopped.close();
      const leaving = isBetter ? loser?.stopped.path : path;
      if (leaving !== undefined) await asFarAsPossible(() => removeTransfer(leaving));
    }
    if (best === undefined || key === undefined) return undefined;
    return await goOnWith(best, { cacheDir, hash, key, lockKind });
  } finally {
    await best?.stopped.close();
  }
}

/** The files stay open until the caller closes them. */
async function openCandidate(path: string, key: TransferKey): Promise<Candidate | undefined> {
  const stopped = await openStopped(path);
  if (stopped === undefined) return undefined;
  let found: FoundResume | undefined;
  try {
    found = await findResume(stopped, key);
  } finally {
    if (found === undefined) await stopped.close();
  }
  return found && { stopped, found };
}

function keptBytesOf(candidate: Candidate | undefined): number {
  return candidate?.found.resume.keptBytes ?? -1;
}

interface GoingOn {
  readonly cacheDir: string;
  readonly hash: ContentHash;
  readonly key: TransferKey;
  readonly lockKind: LockKind;
}

/**
 * A lease, of ours or of its last holder, does not prove that this one is dead: what it may still write to is left to it. And
 * what others can write to is never written to, nor published.
 */
async function goOnWith({ stopped, found }: Candidate, { cacheDir, hash, key, lockKind }: GoingOn): Promise<BegunTransfer> {
  const { path } = stopped;
  const { resume } = found;
  if (lockKind === 'kernel' && found.lockKind === 'kernel' && stopped.isPrivate)
    return goOnInPlace(stopped, resume, newTransferPath(cacheDir, hash));
  const begun = await createTransfer(cacheDir, hash, withLockKind(found.journalText, lockKind));
  try {
    const create = (name: TransferFile): Promise<FileHandle> => createOwn(join(begun.path, TRANSFER_FILES[name]));
    await copyTransferFiles({ stopped, found, sizeBytes: key.sizeBytes, layer: begun.layer, create });
  } catch (error) {
    await begun.layer.close();
    await removeTransfer(begun.path);
    throw storageError(error, begun.path, 'copy');
  }
  // NFS keeps files that are open, and with them their directory.
  await stopped.close();
  await asFarAsPossible(() => removeTransfer(path));
  return { ...begun, resume };
}

/**
 * Under a new name: should its last holder work on although it has lost the lock (somebody has removed the file of it), that one
 * finds its transfer gone, and publishes nothing.
 */
async function goOnInPlace(stopped: StoppedTransfer, resume: ResumeState, path: string): Promise<BegunTransfer> {
  try {
    await rename(stopped.path, path);
  } catch (error) {
    throw storageError(error, stopped.path, 'take up');
  }
  return { path, resume, layer: await reopenTransfer({ ...stopped, path }, resume) };
}

async function createTransfer(
  cacheDir: string,
  hash: ContentHash | undefined,
  journalText: string | undefined,
): Promise<BegunTransfer> {
  const path = newTransferPath(cacheDir, hash);
  let layer: FileHandle | undefined;
  try {
    await makeOneDirectory(path, await directoryModeOf(cacheDir));
    layer = await createOwn(join(path, TRANSFER_FILES.layer));
    if (journalText !== undefined) {
      const journal = await createOwn(join(path, TRANSFER_FILES.journal));
      await journal.writeFile(journalText).finally(() => journal.close());
    }
    return { path, layer };
  } catch (error) {
    await layer?.close();
    await removeTransfer(path);
    throw storageError(error, path, 'create');
  }
}
