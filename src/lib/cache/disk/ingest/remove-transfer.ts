/** Removing the directory of a transfer without ever leaving it: another may put a link in its place meanwhile. */
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import { errnoOf } from '../../../errno.ts';
import { heldName, openDirectory } from '../../held-directory.ts';

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
    const directory = await openDirectory(path);
    try {
      await emptyDirectory(heldName(directory.fd, path));
    } finally {
      await directory.close();
    }
    await rmdir(path);
  } catch (error) {
    if (!STAYS.has(errnoOf(error) ?? '')) throw storageError(error, path, 'remove');
  }
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
