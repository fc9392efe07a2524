/**
 * A file that this process has made in a directory that others may write too. Under its name may stand something else at
 * any moment: what was opened is looked at, and is refused when it is not that file (RELIABILITY §1.3 row 20).
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ClipctlError } from '../errors.ts';
import { giveToGroup, READ_BY_GROUP } from './group-access.ts';

const CAREFUL = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface OwnFile {
  readonly path: string;
  /** What it must belong to, and be. Absent: whatever stands there but a link is taken. */
  readonly owner?: number;
  /** Absent: any file with one name, of that owner. */
  readonly inode?: number;
}

/** @throws ClipctlError STORAGE_ERROR when something else stands there; what the file system throws */
export async function openOwn(file: OwnFile, flags: number): Promise<FileHandle> {
  const handle = await open(file.path, flags | CAREFUL, 0o600);
  try {
    requireOwn(file, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** @throws ClipctlError STORAGE_ERROR when something else stands there; what the file system throws */
export function openOwnSync(file: OwnFile, flags: number): number {
  const fd = openSync(file.path, flags | CAREFUL, 0o600);
  try {
    requireOwn(file, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Makes it when it is missing, for the group to read; it holds `text` and nothing else then. @throws as openOwn does */
export async function rewriteOwn(file: OwnFile, text: string): Promise<void> {
  const handle = await openOwn(file, constants.O_WRONLY | constants.O_CREAT);
  try {
    const { size } = await handle.stat();
    if (size === 0) await giveToGroup(handle, file.path, READ_BY_GROUP);
    else await handle.truncate(0);
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

function requireOwn({ path, owner, inode }: OwnFile, stats: Stats): void {
  if (owner === undefined) return;
  const isIt = stats.isFile() && stats.nlink === 1 && stats.uid === owner && (inode ?? stats.ino) === stats.ino;
  if (!isIt) throw swapped(path);
}

/** Somebody else works in the directory: what is under that name can't be trusted. */
export function swapped(path: string, what = 'is not the file that was created'): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `the ingest file ${path} ${what}`, { details: { path } });
}
