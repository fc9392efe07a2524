import { createHash } from 'node:crypto';
import { ClipctlError } from '../errors.ts';
import { streamFileInChunks, type StreamFileOptions } from './stream-file.ts';

/** Gives what {@link hashFile} gives, wherever it is computed; `sizeBytes` as somebody has just seen it. */
export type FileHash = (
  path: string,
  about: { readonly sizeBytes: number; readonly signal: AbortSignal },
) => Promise<string | undefined>;

/**
 * The sha256 of a file in hex; `undefined` when it is missing, or shrank or was replaced meanwhile.
 * @throws ClipctlError STORAGE_*; the signal's reason
 */
export async function hashFile(path: string, options: StreamFileOptions): Promise<string | undefined> {
  const sha = createHash('sha256');
  try {
    for await (const chunk of streamFileInChunks(path, options)) {
      for await (const piece of chunk.stream()) sha.update(piece);
    }
    return sha.digest('hex');
  } catch (error) {
    if (error instanceof ClipctlError && (error.code === 'SIZE_MISMATCH' || error.code === 'FILE_NOT_FOUND')) return undefined;
    throw error;
  }
}
