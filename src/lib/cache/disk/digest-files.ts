/** Small files by digest, opaque here: kept under a budget of their own, the least recently used go. */
import { lstat, lutimes, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { storageError } from '../../errors.ts';
import { contentHashOf, type Digest } from '../../oci/digest.ts';
import { readOpened } from '../../regular-file.ts';
import { errnoOf } from '../../errno.ts';
import { createFile, isGroupDirectory } from '../group-access.ts';
import { lookAtFile, openRegularFile } from '../regular-file.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { ingestDirectory, prepareCacheDirectory } from './cache-layout.ts';
import { requireOwnDirectories } from './own-directories.ts';
import { newOwnedName } from './owned-name.ts';
import { diskBytesOf } from './disk-usage.ts';
import { namesIn, unlessUnwritable } from './state-file.ts';

/** A large index that another user has made shall not be written again at each read. */
const RENEW_EVERY_MS = 60_000;

/** A cache directory, and how it is made where it is missing. */
export interface CachePlace {
  readonly cacheDir: string;
  /** For the group too. */
  readonly shared?: boolean;
}

/** One kind of them. */
export interface DigestFiles extends CachePlace {
  /** Its name now: it may be another one when it was made meanwhile (cache-layout.ts). */
  readonly directory: () => string;
  /** Disk blocks of all together. */
  readonly budgetBytes: number;
  /** What is larger is neither kept nor read. */
  readonly maxBytes: number;
}

/** `undefined` = there is none, or nothing that could be one. @throws ClipctlError STORAGE_* */
export async function readDigestFile(files: DigestFiles, digest: Digest): Promise<Buffer | undefined> {
  const { directory, maxBytes } = files;
  const path = join(directory(), contentHashOf(digest));
  const seen = await lookAtFile(path);
  if (seen === undefined || seen === 'other' || seen.sizeBytes > maxBytes) return undefined;
  const file = await openRegularFile(path);
  if (file === undefined) return undefined;
  const now = new Date();
  // A use that can't be noted is no reason not to use it.
  const isNoted = await lutimes(path, now, now).then(
    () => true,
    () => false,
  );
  try {
    const bytes = await readOpened({ handle: file.handle, sizeBytes: Math.min(file.identity.sizeBytes, maxBytes) });
    if (!isNoted && now.getTime() - seen.mtimeMs > RENEW_EVERY_MS) await renew(files, path, bytes);
    return bytes;
  } catch (error) {
    throw storageError(error, path, 'read');
  }
}

/** Only its owner may set the times of a file: in a group's cache whoever uses it makes it anew. */
async function renew({ cacheDir }: DigestFiles, path: string, bytes: Uint8Array): Promise<void> {
  if (!(await isGroupDirectory(dirname(path)))) return;
  const temporary = (await newTemporary(cacheDir))();
  try {
    await createFile(temporary, bytes);
    await rename(temporary, path);
  } catch {
    // No more need than the time itself.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function newTemporary(cacheDir: string): Promise<() => string> {
  const name = `${await newOwnedName()}.record`;
  return () => join(ingestDirectory(cacheDir), name);
}

/** Replaces it in one step; where the cache can't be written, nothing is kept. @throws ClipctlError STORAGE_ERROR */
export async function writeDigestFile(files: DigestFiles, digest: Digest, bytes: Uint8Array): Promise<void> {
  const { cacheDir, directory, budgetBytes, maxBytes } = files;
  if (bytes.byteLength > Math.min(maxBytes, budgetBytes)) return;
  // An index that keeps no layer asks nobody before whether the directory is sound.
  await requireOwnDirectories(cacheDir);
  const pathNow = (): string => join(directory(), contentHashOf(digest));
  const temporary = await newTemporary(cacheDir);
  await unlessUnwritable(async () => {
    try {
      await onceThereAre(files, () => createFile(temporary(), bytes));
      // Another layer's turn may have made one directory, and not yet the other.
      await onceThereAre(files, () => rename(temporary(), pathNow()));
    } catch (error) {
      await rm(temporary(), { force: true });
      throw storageError(error, pathNow(), 'write');
    }
    await keepBudget(directory(), budgetBytes);
  });
}

/** Makes the directories when `action` misses one: an `index` that keeps no layer may be the first to write here. */
async function onceThereAre({ cacheDir, shared = false }: CachePlace, action: () => Promise<void>): Promise<void> {
  await action().catch(async (error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await prepareCacheDirectory(cacheDir, { shared });
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
    await asFarAsPossible(() => rm(file.path, { force: true }));
    totalBytes -= file.diskBytes;
  }
}
