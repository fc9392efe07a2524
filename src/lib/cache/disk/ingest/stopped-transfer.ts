/**
 * What a transfer that was stopped has left, held open. In a shared cache any member of the group may swap its names at
 * any moment: each file is opened once, looked at, and read through that handle from then on.
 */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import { openRegular, type OpenedFile } from '../../../regular-file.ts';
import { errnoOf } from '../../../errno.ts';
import { TRANSFER_FILES, type TransferFile } from './transfers.ts';

export interface StoppedTransfer {
  /** Its directory. */
  readonly path: string;
  /** Nobody but this user can have written to it, or can swap what is in it. */
  readonly isPrivate: boolean;
  readonly files: Partial<Record<TransferFile, OpenedFile>>;
  readonly close: () => Promise<void>;
}

const WRITABLE_BY_OTHERS = 0o022;
/** In a shared cache: it is another's, and its owner keeps it closed. */
const CLOSED = new Set(['EACCES', 'EPERM']);

/**
 * `undefined`: it is none, or none of which anything can be made: a link, a fifo, a file with several names or of another
 * owner than its directory. A layer that has its final name already must never be written to again.
 * @throws ClipctlError STORAGE_*
 */
export async function openStopped(path: string): Promise<StoppedTransfer | undefined> {
  const files: Partial<Record<TransferFile, OpenedFile>> = {};
  const close = async (): Promise<void> => {
    await Promise.all(Object.values(files).map(({ handle }) => handle.close()));
  };
  let isTaken = false;
  try {
    const directory = await lstat(path);
    isTaken = directory.isDirectory() && (await openFiles(path, directory.uid, files)) && files.layer !== undefined;
    const all = [directory, ...Object.values(files).map(({ stats }) => stats)];
    return isTaken ? { path, isPrivate: all.every(isPrivate), files, close } : undefined;
  } catch (error) {
    isTaken = false;
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || CLOSED.has(errno ?? '')) return undefined;
    throw storageError(error, path, 'open');
  } finally {
    if (!isTaken) await close();
  }
}

/** False: one of them is no file of such a transfer. */
async function openFiles(path: string, owner: number, files: Partial<Record<TransferFile, OpenedFile>>): Promise<boolean> {
  for (const name of TRANSFER_FILES_IN_ORDER) {
    const file = await openIfThere(join(path, name));
    if (file === undefined) continue;
    if (file === 'other') return false;
    files[name] = file;
    if (file.stats.nlink !== 1 || file.stats.uid !== owner) return false;
  }
  return true;
}

const TRANSFER_FILES_IN_ORDER = Object.values(TRANSFER_FILES);

async function openIfThere(path: string): Promise<OpenedFile | 'other' | undefined> {
  try {
    return await openRegular(path, { refuseLinks: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isPrivate({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & WRITABLE_BY_OTHERS) === 0;
}
