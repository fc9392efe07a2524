/** Removing the directory of a transfer without ever leaving it: another may put a link in its place meanwhile. */
import { constants } from 'node:fs';
import { access, lstat, open, readdir, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import { errnoOf } from '../../errno.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** It is gone; it is another's, in a group's directory; it has something in it that we did not put there. */
const STAYS = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTEMPTY']);

/**
 * Takes away what stands under `path`: a directory with the files in it, or a file. A link goes, not what it leads to; a
 * directory that has others in it is none of ours, and stays. So does what we may not remove: each transfer has a name of its
 * own, and is in nobody's way.
 * @throws ClipctlError STORAGE_*
 */
export async function removeTransfer(path: string): Promise<void> {
  try {
    const stats = await lstat(path);
    if (!stats.isDirectory()) return await unlink(path);
    const directory = await open(path, DIRECTORY);
    try {
      await emptyDirectory(await nameOf(directory, path));
    } finally {
      await directory.close();
    }
    await rmdir(path);
  } catch (error) {
    if (!STAYS.has(errnoOf(error) ?? '')) throw storageError(error, path, 'remove');
  }
}

/** A name that leads to the opened directory whatever stands under its path; where the system has none, the path. */
async function nameOf({ fd }: FileHandle, path: string): Promise<string> {
  const held = `/proc/self/fd/${fd}`;
  return access(held).then(
    () => held,
    () => path,
  );
}

async function emptyDirectory(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    await (entry.isDirectory() ? rmdir(path) : unlink(path)).catch(unlessGone);
  }
}

function unlessGone(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
