/** The files of an image layout directory. */
import { stat } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { join } from 'node:path';
import { ClipctlError, storageError } from '../errors.ts';
import { isMissing, openRegular, readOpened, type OpenedFile } from '../regular-file.ts';
import type { FileStore, StoredFile } from './stored-file.ts';

const READ = { doing: 'read', elsewhere: 'another image layout' } as const;

/** Reads nothing yet. */
export function openDirectoryStore(directory: string): FileStore {
  return {
    name: directory,
    what: 'directory',
    open: (path) => openFile(directory, path),
    close: () => Promise.resolve(),
  };
}

async function openFile(directory: string, name: string): Promise<StoredFile | undefined> {
  const path = join(directory, name);
  let file: OpenedFile | 'other';
  try {
    file = await openRegular(path);
  } catch (error) {
    if (!isMissing(error)) throw storageError(error, path, READ);
    await requireDirectory(directory);
    return undefined;
  }
  if (file !== 'other') return storedFile(file, path);
  throw new ClipctlError('LAYOUT_INVALID', `${path} is no regular file`, { details: { path } });
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw storageError(error, path, READ);
  });
  if (found?.isDirectory() === true) return;
  throw new ClipctlError('IMAGE_NOT_FOUND', `there is no directory ${path}`, { details: { path } });
}

function storedFile({ handle, sizeBytes }: OpenedFile, path: string): StoredFile {
  return {
    sizeBytes,
    readAll: () =>
      readOpened({ handle, sizeBytes }).catch((error: unknown) => {
        throw storageError(error, path, READ);
      }),
    stream: (start, end, signal) => addAbortSignal(signal, handle.createReadStream({ start, end: end - 1 })),
    close: () => handle.close(),
  };
}
