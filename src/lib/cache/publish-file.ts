/** Making a finished file visible under its final name, and keeping it there over a power loss. */
import { constants } from 'node:fs';
import { link, open, rename } from 'node:fs/promises';
import { storageError } from '../errors.ts';
import { errnoOf } from '../errno.ts';
import { notRegular } from './regular-file.ts';

/** link(2) does not exist there (FAT, some FUSE and network file systems), or the target has too many links. */
const NO_LINK = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']);

export interface PublishOptions {
  /** Somebody else was first: is what they put there as good as ours? */
  readonly isTheirsGood: () => Promise<boolean>;
}

/**
 * Puts `tempPath`, already flushed, under `finalPath`. It is created when absent; what stands there is kept when it is
 * good and replaced in one step when it is not. `tempPath` may still exist afterwards.
 * @throws ClipctlError STORAGE_*
 */
export async function publishFile(tempPath: string, finalPath: string, options: PublishOptions): Promise<'published' | 'kept'> {
  if (!(await linkIfAbsent(tempPath, finalPath))) {
    if (await options.isTheirsGood()) return 'kept';
    await replaceFile(tempPath, finalPath);
  }
  return 'published';
}

/** False when the name is taken, or when this file system can't tell. */
async function linkIfAbsent(tempPath: string, finalPath: string): Promise<boolean> {
  try {
    await link(tempPath, finalPath);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' || (errno !== undefined && NO_LINK.has(errno))) return false;
    throw storageError(error, finalPath, 'create');
  }
}

/** @throws ClipctlError STORAGE_* */
export async function replaceFile(tempPath: string, finalPath: string): Promise<void> {
  try {
    await rename(tempPath, finalPath);
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') throw notRegular(finalPath, error);
    throw storageError(error, finalPath, 'replace');
  }
}

/** A new name is safe only when its directory is on disk too. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Some network file systems refuse fsync on a directory, and do it themselves.
    if (errnoOf(error) === 'EINVAL' || errnoOf(error) === 'ENOTSUP') return;
    throw storageError(error, path, 'flush');
  }
}
