/** Descriptors of our own directories, each opened from the one above: no link on the way is followed but one to the cache directory. */
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import { forgetHeld, HELD, rememberHeld, showRealPaths } from '../../held-names.ts';
import { errnoOf } from '../../errno.ts';
import { isModeOfGroup } from '../group-access.ts';
import { makeAtOnce, type NewDirectory } from '../make-at-once.ts';
import { makeOneDirectory } from '../make-directory.ts';
import { notDirectory } from './own-directories.ts';
import { ALL_DIRECTORIES, OWN_PATH, ownPath, type OwnDirectory } from './own-names.ts';

/** open(2), the same on every machine that Node runs on with Linux: to name what is in a directory takes no right to list it. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | constants.O_DIRECTORY;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Whether somebody else, the administrator aside, may put other names into the cache directory, or into those that ours stand in:
 * one that was made for a group stays the group's inside, whatever its top is later. And this system has names for what is open.
 * `undefined` = it is not there, or can't be looked at.
 */
export function isSwappable(cacheDir: string): boolean | undefined {
  try {
    return (isOfOthersToo(statSync(cacheDir)) || isSwappableInside(cacheDir)) && existsSync(HELD);
  } catch {
    return undefined;
  }
}

/** What is missing, and what is no directory, is not entered. */
function isSwappableInside(cacheDir: string): boolean {
  let path = cacheDir;
  for (const name of OWN_PATH) {
    path = join(path, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() !== true) return false;
    if (isOfOthersToo(found)) return true;
  }
  return false;
}

function isOfOthersToo({ mode, uid }: Stats): boolean {
  return (mode & WRITABLE_BY_OTHERS) !== 0 || (uid !== 0 && uid !== process.geteuid?.());
}

/** The directory that they all stand in. `undefined` = it is missing. @throws ClipctlError STORAGE_* */
export function openOwn(cacheDir: string): number | undefined {
  const top = openTop(cacheDir);
  if (top === undefined) return undefined;
  const outer = openAndClose(top, OWN_PATH[0], join(cacheDir, OWN_PATH[0]));
  return outer === undefined ? undefined : openAndClose(outer, OWN_PATH[1], ownPath(cacheDir));
}

/** One of them. `undefined` = it is missing. @throws ClipctlError STORAGE_* */
export function openOneOf(own: number, name: OwnDirectory, cacheDir: string): number | undefined {
  return openBelow(own, name, ownPath(cacheDir, name));
}

/**
 * Makes the directory that they all stand in: a group's at once with all that stand in it, since an empty one could be replaced by
 * that of another process, which makes it too, behind the back of whoever holds it. @throws ClipctlError STORAGE_*; what the file system throws
 */
export async function makeOwn(cacheDir: string, mode: number): Promise<void> {
  let at = openTop(cacheDir);
  let path = cacheDir;
  for (const name of OWN_PATH) {
    if (at === undefined) return;
    rememberHeld(at, path);
    path = join(path, name);
    try {
      if (path === join(cacheDir, OWN_PATH[0]) && isModeOfGroup(mode)) await makeAtOnce(join(nameOf(at), name), treeOf(mode));
      await makeOneDirectory(join(nameOf(at), name), mode);
    } catch (error) {
      showRealPaths(error);
      forgetHeld(at);
      closeSync(at);
      throw error;
    }
    forgetHeld(at);
    at = openAndClose(at, name, path);
  }
  if (at !== undefined) closeSync(at);
}

function treeOf(mode: number): NewDirectory[] {
  const names = ALL_DIRECTORIES.map((name) => join(OWN_PATH[1], name));
  return ['', OWN_PATH[1], ...names].map((name) => ({ name, mode }));
}

/** False once it was removed; some network file systems say then that they know it no more. */
export function isThere(fd: number): boolean {
  try {
    return fstatSync(fd).nlink > 0;
  } catch {
    return false;
  }
}

export function nameOf(fd: number): string {
  return `${HELD}${fd}`;
}

function openTop(cacheDir: string): number | undefined {
  try {
    return openSync(cacheDir, FLAGS);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, cacheDir, 'open');
  }
}

function openAndClose(parent: number, name: string, path: string): number | undefined {
  try {
    return openBelow(parent, name, path);
  } finally {
    closeSync(parent);
  }
}

function openBelow(parent: number, name: string, path: string): number | undefined {
  const held = join(nameOf(parent), name);
  try {
    return openSync(held, FLAGS | constants.O_NOFOLLOW);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return undefined;
    if (errno === 'ENOTDIR' || errno === 'ELOOP') throw notDirectory(path, lstatSync(held, { throwIfNoEntry: false }));
    throw storageError(error, path, 'open');
  }
}
