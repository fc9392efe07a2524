/**
 * The time as the file system of the cache tells it: what was written when is compared with it, never with this machine's
 * clock, which may be another than that of whoever wrote (RELIABILITY §2 row 20).
 */
import { lstat, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../errno.ts';
import { ingestDirectory } from './cache-layout.ts';
import { newOwnedName } from './owned-name.ts';

/** In ms, like an mtime. Where nothing can be written nothing is removed either: there it is this machine's time. */
export async function fileSystemTimeMs(cacheDir: string): Promise<number> {
  const path = join(ingestDirectory(cacheDir), `${await newOwnedName()}.record`);
  try {
    await writeFile(path, '', { flag: 'wx' });
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return Date.now();
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}
