/** Begins a transfer, or takes up one that was stopped. The caller has the lock of the layer. */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { lookAtFile } from '../../regular-file.ts';
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
    if ((await findResume(transfer.path, key)) !== undefined) return true;
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
    const resume = mayResume && key !== undefined && (await isUnpublished(path)) ? await findResume(path, key) : undefined;
    const isBetter = resume !== undefined && resume.keptBytes > (best?.resume.keptBytes ?? -1);
    const loser = isBetter ? best?.path : path;
    if (isBetter) best = { path, resume };
    if (loser !== undefined) await removeTransfer(loser);
  }
  if (best === undefined) return undefined;
  const path = lockKind === 'kernel' ? best.path : await copyTransfer(cacheDir, best.path, hash);
  await openForWriting(path, best.resume);
  return { path, resume: best.resume };
}

/** A lease does not prove that its last holder is dead: what that one may still write to is left to it. */
async function copyTransfer(cacheDir: string, from: string, hash: ContentHash): Promise<string> {
  const to = newTransferPath(cacheDir, hash);
  try {
    await mkdir(to, { mode: 0o700 });
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
    await chmod(layer, 0o600);
    if (resume.kind === 'spans') return;
    await truncate(layer, resume.kind === 'points' ? resume.point.uncompressedOffset : 0);
    if (resume.kind === 'spool') await truncate(join(path, TRANSFER_FILES.spool), resume.keptBytes);
  } catch (error) {
    throw storageError(error, layer, 'open');
  }
}

async function createTransfer(cacheDir: string, { hash, key }: BeginOptions): Promise<string> {
  const path = newTransferPath(cacheDir, hash);
  try {
    await mkdir(path, { mode: 0o700 });
    await writeFile(join(path, TRANSFER_FILES.layer), '', { flag: 'wx', mode: 0o600 });
    if (key !== undefined) await writeFile(join(path, TRANSFER_FILES.journal), headerLine(key), { flag: 'wx', mode: 0o600 });
    return path;
  } catch (error) {
    await removeTransfer(path);
    throw storageError(error, path, 'create');
  }
}
