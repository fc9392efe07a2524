/** The file of a layer, looked at and not opened. */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { storageError } from '../../errors.ts';
import { errnoOf } from '../../errno.ts';
import { identityOf, type FileIdentity } from '../regular-file.ts';

/**
 * `undefined`: nothing is there. `bad`: no regular file, or one that its owner may not read. Root could, but not who
 * mounts the cache; so it is as good as none whoever asks.
 * @throws ClipctlError STORAGE_*
 */
export async function lookAtLayer(path: string): Promise<FileIdentity | 'bad' | undefined> {
  const stats = await layerStats(path);
  if (stats === undefined) return undefined;
  return stats.isFile() && isReadable(stats) ? identityOf(stats) : 'bad';
}

/** `undefined` = nothing is there. @throws ClipctlError STORAGE_* */
export async function layerStats(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, path, 'look at');
  }
}

/** Its owner may read it. */
export function isReadable({ mode }: Stats): boolean {
  return (mode & 0o400) !== 0;
}
