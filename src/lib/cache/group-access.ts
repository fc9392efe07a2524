/**
 * What is made in a directory of a group is for the group too, whatever the umask says. Only what we have just made gets
 * its mode, through its handle: another member may have swapped the name. Anywhere else all stays as its maker wants it.
 */
import { fchmodSync, statSync, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errno.ts';

/** A group's directory: every member makes, replaces and removes names in it, and what is made in it stays the group's. */
export const GROUP_DIRECTORY = 0o2775;
/** What any member may lock or write. */
const GROUP_FILE = 0o664;
/** What is its maker's to write, and for the others to read. */
export const READ_BY_GROUP = 0o644;

/** False also where there is nothing. @throws what the file system throws */
export async function isGroupDirectory(path: string): Promise<boolean> {
  try {
    return isGroups(await stat(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** For a file that was just made. @throws what the file system throws */
export async function giveToGroup(handle: FileHandle, path: string, mode = GROUP_FILE): Promise<void> {
  if (await isGroupDirectory(dirname(path))) await handle.chmod(mode);
}

/** The same in a worker. @throws what the file system throws */
export function giveToGroupSync(fd: number, path: string): void {
  if (isGroups(statSync(dirname(path)))) fchmodSync(fd, READ_BY_GROUP);
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

function isGroups({ mode }: Stats): boolean {
  return mode % 0o10000 === GROUP_DIRECTORY;
}
