/**
 * A file that this process has made in a directory that others may write too. Under its name may stand something else at
 * any moment: what was opened is looked at, and is refused when it is not that file (RELIABILITY §1.3 row 20).
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { ClipctlError } from '../errors.ts';
import { errnoOf } from '../errno.ts';
import { giveToGroup, READ_BY_GROUP } from './group-access.ts';
import { nameWithin, openDirectory, openDirectorySync } from './held-directory.ts';

const CAREFUL = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | CAREFUL;

export interface OwnFile {
  readonly path: string;
  /** What it and its directory must belong to. Absent: whatever stands there but a link is taken. */
  readonly owner?: number;
  /** Absent: any file with one name, of that owner. */
  readonly inode?: number;
}

/** @throws ClipctlError STORAGE_ERROR when something else stands there; what the file system throws */
export async function openOwn(file: OwnFile, flags: number): Promise<FileHandle> {
  const { path, owner } = file;
  const openIt = (name: string): Promise<FileHandle> => open(name, flags | CAREFUL, 0o600);
  const handle = await (owner === undefined ? openIt(path) : within({ path, owner }, openIt));
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
  const { path, owner } = file;
  const openIt = (name: string): number => openSync(name, flags | CAREFUL, 0o600);
  const fd = owner === undefined ? openIt(path) : withinSync({ path, owner }, openIt);
  try {
    requireOwn(file, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Makes it, for the members of a group to read, in a directory that was made by us too.
 * @throws ClipctlError STORAGE_ERROR when that is another's, or a link; what the file system throws, EEXIST too
 */
export function createOwn(path: string): Promise<FileHandle> {
  return within({ path }, async (name, directory) => {
    const handle = await open(name, CREATE, 0o600);
    try {
      // Compared with each other: a file server may give what we make to somebody else.
      if ((await handle.stat()).uid !== directory.uid) throw await rm(name).then(() => swappedDirectory(dirname(path)));
      await giveToGroup(handle, path, READ_BY_GROUP);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  });
}

/** @throws ClipctlError STORAGE_ERROR when its directory is a link by now; what the file system throws */
export function removeOwn(path: string): Promise<void> {
  return within({ path }, (name) => rm(name, { force: true }));
}

/** Under the name in the directory that stands there now, which no link leads to. */
async function within<T>(
  { path, owner }: Pick<OwnFile, 'path' | 'owner'>,
  use: (name: string, directory: Stats) => Promise<T>,
): Promise<T> {
  const parent = dirname(path);
  const directory = await openParent(parent);
  try {
    const stats = await directory.stat();
    if (owner !== undefined && stats.uid !== owner) throw swappedDirectory(parent);
    return await use(nameWithin(directory.fd, parent, basename(path)), stats);
  } finally {
    await directory.close();
  }
}

function withinSync<T>({ path, owner }: Pick<Required<OwnFile>, 'path' | 'owner'>, use: (name: string) => T): T {
  const parent = dirname(path);
  const { fd, stats } = openParentSync(parent);
  try {
    if (stats.uid !== owner) throw swappedDirectory(parent);
    return use(nameWithin(fd, parent, basename(path)));
  } finally {
    closeSync(fd);
  }
}

async function openParent(path: string): Promise<FileHandle> {
  try {
    return await openDirectory(path);
  } catch (error) {
    throw isNoDirectory(error) ? swappedDirectory(path) : error;
  }
}

function openParentSync(path: string): ReturnType<typeof openDirectorySync> {
  try {
    return openDirectorySync(path);
  } catch (error) {
    throw isNoDirectory(error) ? swappedDirectory(path) : error;
  }
}

function isNoDirectory(error: unknown): boolean {
  return errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP';
}

/** Makes it when it is missing; it holds `text` and nothing else then, for the members of a group to read. @throws as openOwn does */
export async function rewriteOwn(file: OwnFile, text: string): Promise<void> {
  const handle = await openOwn(file, constants.O_WRONLY | constants.O_CREAT);
  try {
    await giveToGroup(handle, file.path, READ_BY_GROUP);
    // In this order: a text as long as the last one is never seen half.
    await handle.writeFile(text);
    await handle.truncate(Buffer.byteLength(text));
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

function swappedDirectory(path: string): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `the ingest directory ${path} is not the one that was created`, { details: { path } });
}
