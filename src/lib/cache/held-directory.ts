/**
 * A directory held open: names in it are then names in that directory, whatever another member of a group puts under its
 * path meanwhile (RELIABILITY §1.3 row 20). Where the system has no name for what is open, its path has to do.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws what the file system throws: ENOTDIR, ELOOP for a link and whatever else is no directory */
export function openDirectory(path: string): Promise<FileHandle> {
  return open(path, FLAGS);
}

/** The same in a worker. */
export function openDirectorySync(path: string): { readonly fd: number; readonly stats: Stats } {
  const fd = openSync(path, FLAGS);
  try {
    return { fd, stats: fstatSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @param path where the directory was opened */
export function nameWithin(fd: number, path: string, name: string): string {
  return join(heldName(fd, path), name);
}

let hasNames: boolean | undefined;

/** Leads to the opened directory itself. */
export function heldName(fd: number, path: string): string {
  hasNames ??= existsSync(`/proc/self/fd/${fd}`);
  return hasNames ? `/proc/self/fd/${fd}` : path;
}
