/**
 * What is made in a directory of a group is for the group too, whatever the umask says. Only what we have just made gets
 * its mode, through its handle: another member may have swapped the name. Anywhere else all stays as its maker wants it.
 */
import { fchmodSync, statSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../errno.ts';

/** Of a group's directory that `--shared` makes: all may read. */
export const GROUP_DIRECTORY = 0o2775;
/** Every member makes, replaces and removes names in it, and what is made in it stays the group's. */
const GROUPS = 0o2070;
const WRITABLE_BY_ALL = 0o002;
/** Only its maker may remove or replace a name in it. */
const STICKY = 0o1000;
/** Who is not of the group may list it and come through. */
const READ_BY_ALL = 0o005;
/** What any member may lock or write. */
const GROUP_FILE = 0o664;
/** What is its maker's to write, and for the others to read. */
export const READ_BY_GROUP = 0o644;
/** Of a layer, which nobody writes to any more. */
const SEALED = 0o444;

/**
 * The mode of directories that are made in `path`, which is a group's: what others may do is as there. `undefined`: it is
 * no group's, or nothing is there. @throws what the file system throws
 */
export async function groupModeOf(path: string): Promise<number | undefined> {
  const mode = await modeOf(path);
  return mode === undefined ? undefined : modeBelow(mode);
}

/** False also where there is nothing. @throws what the file system throws */
export async function isGroupDirectory(path: string): Promise<boolean> {
  return (await groupModeOf(path)) !== undefined;
}

/** A group's, but that a member may not evict what another has brought. False also where there is nothing. @throws as above */
export async function isStickyForGroup(path: string): Promise<boolean> {
  const mode = await modeOf(path);
  return mode !== undefined && isModeOfGroup(mode) && (mode & (STICKY | WRITABLE_BY_ALL)) === STICKY;
}

/** The mode says whose directory is to be made: a group's, or its maker's. */
export function isModeOfGroup(mode: number): boolean {
  return (mode & GROUPS) === GROUPS;
}

/** For a file that was just made. @throws what the file system throws */
export async function giveToGroup(handle: FileHandle, path: string, mode = GROUP_FILE): Promise<void> {
  const directoryMode = await groupModeOf(dirname(path));
  if (directoryMode !== undefined) await handle.chmod(modeWithin(directoryMode, mode));
}

/** The same in a worker. @throws what the file system throws */
export function giveToGroupSync(fd: number, path: string): void {
  const directoryMode = modeBelow(statSync(dirname(path)).mode);
  if (directoryMode !== undefined) fchmodSync(fd, modeWithin(directoryMode, READ_BY_GROUP));
}

/** Nobody writes to it any more; whoever may come to it may read it. @throws what the file system throws */
export async function sealFor(handle: FileHandle, path: string): Promise<void> {
  await handle.chmod(modeWithin((await groupModeOf(dirname(path))) ?? GROUP_DIRECTORY, SEALED));
}

export interface FileModes {
  /** Where the directory is no group's; the umask cuts it. */
  readonly mode?: number;
  readonly groupMode?: number;
}

/** Makes a file with all of its content; one that is there stays. @throws what the file system throws, EEXIST too */
export async function createFile(path: string, content: string | Uint8Array, modes: FileModes = {}): Promise<void> {
  const handle = await open(path, 'wx', modes.mode ?? 0o666);
  try {
    await giveToGroup(handle, path, modes.groupMode);
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function modeBelow(mode: number): number | undefined {
  if (!isModeOfGroup(mode) || (mode & (WRITABLE_BY_ALL | STICKY)) !== 0) return undefined;
  return GROUPS | 0o700 | (mode & READ_BY_ALL);
}

/** What others may not come to is not for them to read either. */
function modeWithin(directoryMode: number, mode: number): number {
  return (directoryMode & READ_BY_ALL) === READ_BY_ALL ? mode : mode & 0o770;
}
