/** Small files by digest, opaque here: kept under a budget of their own, the least recently used go. */
import { lstat, lutimes, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import { contentHashOf, type Digest } from '../../oci/digest.ts';
import { readOpened } from '../../regular-file.ts';
import { errnoOf } from '../errno.ts';
import { lookAtFile, openRegularFile } from '../regular-file.ts';
import { ingestDirectory, prepareCacheDirectory } from './cache-layout.ts';
import { requireOwnDirectories } from './own-directories.ts';
import { newOwnedName } from './owned-name.ts';
import { diskBytesOf } from './disk-usage.ts';
import { namesIn, unlessUnwritable } from './state-file.ts';

/** One kind of them. */
export interface DigestFiles {
  readonly cacheDir: string;
  readonly directory: string;
  /** Disk blocks of all together. */
  readonly budgetBytes: number;
  /** What is larger is neither kept nor read. */
  readonly maxBytes: number;
}

/** `undefined` = there is none, or nothing that could be one. @throws ClipctlError STORAGE_* */
export async function readDigestFile({ directory, maxBytes }: DigestFiles, digest: Digest): Promise<Buffer | undefined> {
  const path = join(directory, contentHashOf(digest));
  const seen = await lookAtFile(path);
  if (seen === undefined || seen === 'other' || seen.sizeBytes > maxBytes) return undefined;
  const file = await openRegularFile(path);
  if (file === undefined) return undefined;
  const now = new Date();
  // A use that can't be noted is no reason not to use it.
  await lutimes(path, now, now).catch(() => undefined);
  try {
    return await readOpened({ handle: file.handle, sizeBytes: Math.min(file.identity.sizeBytes, maxBytes) });
  } catch (error) {
    throw storageError(error, path, 'read');
  }
}

/** Replaces it in one step; where the cache can't be written, nothing is kept. @throws ClipctlError STORAGE_ERROR */
export async function writeDigestFile(files: DigestFiles, digest: Digest, bytes: Uint8Array): Promise<void> {
  const { cacheDir, directory, budgetBytes, maxBytes } = files;
  if (bytes.byteLength > Math.min(maxBytes, budgetBytes)) return;
  // An index that keeps no layer asks nobody before whether the directory is sound.
  await requireOwnDirectories(cacheDir);
  const path = join(directory, contentHashOf(digest));
  const temporary = join(ingestDirectory(cacheDir), `${await newOwnedName()}.record`);
  await unlessUnwritable(async () => {
    try {
      await onceThereAre(cacheDir, () => writeFile(temporary, bytes, { flag: 'wx' }));
      // Another layer's turn may have made one directory, and not yet the other.
      await onceThereAre(cacheDir, () => rename(temporary, path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw storageError(error, path, 'write');
    }
    await keepBudget(directory, budgetBytes);
  });
}

/** Makes the directories when `action` misses one: an `index` that keeps no layer may be the first to write here. */
async function onceThereAre(cacheDir: string, action: () => Promise<void>): Promise<void> {
  await action().catch(async (error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await prepareCacheDirectory(cacheDir);
    await action();
  });
}

async function keepBudget(directory: string, budgetBytes: number): Promise<void> {
  const files: { path: string; diskBytes: number; usedMs: number }[] = [];
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isFile() === true) files.push({ path, diskBytes: diskBytesOf(stats), usedMs: stats.mtimeMs });
  }
  let totalBytes = files.reduce((sum, file) => sum + file.diskBytes, 0);
  for (const file of files.sort((one, other) => one.usedMs - other.usedMs)) {
    if (totalBytes <= budgetBytes) return;
    await rm(file.path, { force: true });
    totalBytes -= file.diskBytes;
  }
}
