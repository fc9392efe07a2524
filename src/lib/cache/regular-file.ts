/**
 * Opening what should be a regular file in a directory that others may write too (RELIABILITY §1.3 row 20): a link
 * under the last name is never followed, a fifo never blocks, and what was opened is looked at, not the name.
 */
import type { Stats } from 'node:fs';
import { lstat, type FileHandle } from 'node:fs/promises';
import { ClipctlError, storageError } from '../errors.ts';
import { openRegular, readOpened, type OpenedFile } from '../regular-file.ts';
import { errnoOf } from '../errno.ts';

/** What says, without reading it, that a file is still the one that was verified. */
export interface FileIdentity {
  readonly sizeBytes: number;
  readonly inode: number;
  readonly mtimeMs: number;
}

export interface RegularFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly identity: FileIdentity;
  readonly links: number;
}

/** Whole milliseconds: some network file systems keep no more. */
export function identityOf(stats: Stats): FileIdentity {
  return { sizeBytes: stats.size, inode: stats.ino, mtimeMs: Math.floor(stats.mtimeMs) };
}

export function isSameIdentity(one: FileIdentity, other: FileIdentity): boolean {
  return one.sizeBytes === other.sizeBytes && one.inode === other.inode && one.mtimeMs === other.mtimeMs;
}

/**
 * Opens `path` for reading; the caller closes the handle. `undefined` = there is nothing.
 * @throws ClipctlError STORAGE_ERROR when it is no regular file, and what storageError says
 */
export async function openRegularFile(path: string): Promise<RegularFile | undefined> {
  let file: OpenedFile | 'other';
  try {
    file = await openRegular(path, { refuseLinks: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, path, 'open');
  }
  if (file === 'other') throw notRegular(path);
  return { path, handle: file.handle, identity: identityOf(file.stats), links: file.stats.nlink };
}

/** What stands under a name of ours is no file of ours. */
export function notRegular(path: string, cause?: unknown): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `${path} is not a regular file`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path },
    hint: 'Something else put a link, a directory or a device there: look at it and remove it.',
  });
}

/** Looks without opening: `undefined` = nothing there, `'other'` = something that is no regular file. */
export async function lookAtFile(path: string): Promise<FileIdentity | 'other' | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? identityOf(stats) : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, path, 'look at');
  }
}

/**
 * The text of a small file of ours. `undefined` = missing, no regular file, or over `maxBytes`: the caller treats each
 * as "says nothing".
 * @throws ClipctlError STORAGE_DENIED, STORAGE_ERROR
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<{ text: string; modifiedMs: number } | undefined> {
  try {
    const file = await openRegular(path, { refuseLinks: true });
    if (file === 'other') return undefined;
    if (file.sizeBytes <= maxBytes)
      return { text: (await readOpened(file)).toString(), modifiedMs: identityOf(file.stats).mtimeMs };
    await file.handle.close();
    return undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, path, 'read');
  }
}
