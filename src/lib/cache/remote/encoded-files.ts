/** The packed form in a file remote: `<hex>.zst`, which has its name only when it is complete. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import type { EncodedContents } from '../content-cache.ts';
import { readFileRange } from '../file-readable.ts';
import { replaceFile, syncDirectory } from '../publish-file.ts';
import { lookAtFile, openRegularFile } from '../regular-file.ts';
import { createTemporary, removeFile, sealFile } from './temporary-file.ts';

/** @param here runs work and makes its errors speak of this remote */
export function encodedFilesIn(directory: string, here: <T>(work: () => Promise<T>) => Promise<T>): EncodedContents {
  const pathOf = (hash: ContentHash): string => join(directory, `${hash}.zst`);
  const size = async (hash: ContentHash): Promise<number | undefined> => {
    const found = await lookAtFile(pathOf(hash));
    return found === undefined || found === 'other' ? undefined : found.sizeBytes;
  };
  return {
    memoryBytes: 0,
    exists: (hash, { signal }) =>
      here(async () => {
        signal.throwIfAborted();
        const sizeBytes = await size(hash);
        return sizeBytes === undefined ? undefined : { sizeBytes };
      }),
    get: (hash, { offset, length, signal }) =>
      here(async () => {
        signal.throwIfAborted();
        const file = await openRegularFile(pathOf(hash));
        return file === undefined ? undefined : readFileRange(file, { offset, length, signal });
      }),
    store: (pieces, hash, { signal }) => here(() => storeFile({ directory, path: pathOf(hash) }, pieces, signal)),
    delete: (hash, { signal }) =>
      here(async () => {
        signal.throwIfAborted();
        const wasThere = (await size(hash)) !== undefined;
        await removeFile(pathOf(hash));
        return wasThere;
      }),
  };
}

async function storeFile(
  { directory, path }: { readonly directory: string; readonly path: string },
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ readonly sentBytes: number; readonly chunks: number }> {
  const temporary = await createTemporary(directory);
  try {
    const sentBytes = await writePieces(temporary, pieces, signal);
    await sealFile(temporary);
    signal.throwIfAborted();
    await replaceFile(temporary, path);
    await syncDirectory(directory);
    return { sentBytes, chunks: 1 };
  } finally {
    await removeFile(temporary);
  }
}

/** @throws ClipctlError STORAGE_*; what `pieces` throws, as it is */
async function writePieces(path: string, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
  const handle = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
    throw storageError(error, path, 'open');
  });
  try {
    let writtenBytes = 0;
    for await (const piece of pieces) {
      signal.throwIfAborted();
      await handle.writeFile(piece).catch((error: unknown) => {
        throw storageError(error, path, 'write');
      });
      writtenBytes += piece.length;
    }
    return writtenBytes;
  } finally {
    await handle.close();
  }
}
