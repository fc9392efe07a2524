import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../errors.ts';
import { parseContentHash, type ContentHash } from '../oci/digest.ts';
import { errnoOf } from '../errno.ts';
import { lookAtFile } from './regular-file.ts';

/**
 * The regular files of a directory that are named like content; whatever else lies there is left alone. A missing
 * directory is empty.
 * @throws ClipctlError STORAGE_*; the signal's reason
 */
export async function* listContentFiles(
  directory: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly hash: ContentHash; readonly sizeBytes: number }, void, undefined> {
  signal.throwIfAborted();
  for (const name of await contentNamesIn(directory)) {
    signal.throwIfAborted();
    const found = await lookAtFile(join(directory, name));
    if (found !== undefined && found !== 'other') yield { hash: name, sizeBytes: found.sizeBytes };
  }
}

async function contentNamesIn(directory: string): Promise<ContentHash[]> {
  const names: ContentHash[] = [];
  try {
    for await (const { name } of await opendir(directory)) {
      if (/^[0-9a-f]{64}$/.test(name)) names.push(parseContentHash(name, directory));
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, directory, 'list');
  }
  return names.sort();
}
