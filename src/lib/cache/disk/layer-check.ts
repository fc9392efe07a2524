import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import type { FileHash } from '../hash-file.ts';
import { isSameIdentity, notRegular } from '../regular-file.ts';
import { lookAtLayer } from './layer-file.ts';
import type { LayerRecords } from './layer-records.ts';

export interface LayerCheckOptions {
  readonly records: LayerRecords;
  readonly hashFile: FileHash;
  /** Makes the directories of our own state. */
  readonly prepare: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** A layer that is evicted and brought again while it is hashed is hashed anew, so many times at most. */
const MAX_TRIES = 4;

/**
 * Hashes a layer, and vouches for it from then on when its sha256 is its name; else takes back that anybody does.
 * @throws ClipctlError STORAGE_*; the signal's reason
 */
export async function hashAndAdopt(
  cacheDir: string,
  hash: ContentHash,
  { records, hashFile, prepare, signal }: LayerCheckOptions,
): Promise<'verified' | 'bad' | 'missing'> {
  const path = join(cacheDir, hash);
  for (let tries = 1; ; tries += 1) {
    const before = await lookAtLayer(path);
    if (before === undefined) return 'missing';
    if (before === 'bad') return 'bad';
    const found = await hashFile(path, { sizeBytes: before.sizeBytes, signal });
    const after = await lookAtLayer(path);
    if (after === undefined) return 'missing';
    if (after === 'bad') return 'bad';
    // An eviction that puts a layer back gives it the identity it had: that it was away only the hash knows.
    if (found !== undefined && isSameIdentity(before, after)) {
      if (found === hash) await records.adopt(hash, after, prepare);
      else await records.distrust(hash);
      return found === hash ? 'verified' : 'bad';
    }
    if (tries === MAX_TRIES) return (await records.isVerified(hash, after)) ? 'verified' : 'bad';
  }
}

/** Removes a layer's file, or a link under its name. @throws ClipctlError STORAGE_* */
export async function dropLayer(cacheDir: string, hash: ContentHash): Promise<void> {
  const path = join(cacheDir, hash);
  try {
    await rm(path, { force: true });
  } catch (error) {
    // Node's own code for it: a directory is not removed, whatever is in it.
    if (errnoOf(error) === 'ERR_FS_EISDIR') throw notRegular(path, error);
    throw storageError(error, path, 'remove');
  }
}
