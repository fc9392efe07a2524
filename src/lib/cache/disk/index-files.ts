/** Layer indexes by compressed digest. */
import type { Digest } from '../../oci/digest.ts';
import { indexDirectory } from './cache-layout.ts';
import { readDigestFile, writeDigestFile, type CachePlace, type DigestFiles } from './digest-files.ts';

/** Some thousand layers. */
export const INDEX_BUDGET_BYTES = 256 * 1024 * 1024;
/** A layer of millions of files; what is larger is read from the layer again. */
export const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/** `undefined` = there is none, or nothing that could be one. @throws ClipctlError STORAGE_* */
export async function readIndexFile(cacheDir: string, digest: Digest): Promise<Buffer | undefined> {
  return readDigestFile(indexFiles({ cacheDir }, INDEX_BUDGET_BYTES), digest);
}

/** Replaces it in one step; where the cache can't be written, nothing is kept. @throws ClipctlError STORAGE_ERROR */
export async function writeIndexFile(
  place: CachePlace,
  digest: Digest,
  { bytes, budgetBytes = INDEX_BUDGET_BYTES }: { readonly bytes: Uint8Array; readonly budgetBytes?: number },
): Promise<void> {
  await writeDigestFile(indexFiles(place, budgetBytes), digest, bytes);
}

function indexFiles({ cacheDir, shared = false }: CachePlace, budgetBytes: number): DigestFiles {
  return { cacheDir, shared, directory: () => indexDirectory(cacheDir), budgetBytes, maxBytes: MAX_INDEX_BYTES };
}
