/** Opening what should be a regular file: a fifo or a device never makes us wait, and what was opened is looked at, not the name. */
import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export interface OpenedFile {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly stats: Stats;
}

export interface OpenRegularOptions {
  /** A symbolic link under the last name is no regular file then. */
  readonly refuseLinks?: boolean;
}

/**
 * Opens a regular file for reading; the caller closes the handle. `'other'` = something else is there.
 * @throws what the file system throws, ENOENT too ({@link isMissing})
 */
export async function openRegular(path: string, options: OpenRegularOptions = {}): Promise<OpenedFile | 'other'> {
  const handle = await openOrOther(path, options);
  if (handle === 'other') return handle;
  let stats: Stats;
  try {
    stats = await handle.stat();
  } catch (error) {
    await handle.close();
    throw error;
  }
  if (stats.isFile()) return { handle, sizeBytes: stats.size, stats };
  await handle.close();
  return 'other';
}

async function openOrOther(path: string, { refuseLinks = false }: OpenRegularOptions): Promise<FileHandle | 'other'> {
  try {
    return await open(path, refuseLinks ? READ_FLAGS | constants.O_NOFOLLOW : READ_FLAGS);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // A socket, a device without a driver; a link that O_NOFOLLOW met.
    if (code === 'ENXIO' || code === 'ENODEV' || (refuseLinks && code === 'ELOOP')) return 'other';
    throw error;
  }
}

/** True for the error that says: there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/**
 * Reads an opened file whole, and closes it. One that grew since it was opened is cut at the size it had; one that
 * shrank gives what is left.
 * @param file its size is held against a limit by the caller, before it is allocated here
 */
export async function readOpened({ handle, sizeBytes }: Pick<OpenedFile, 'handle' | 'sizeBytes'>): Promise<Buffer> {
  try {
    const bytes = Buffer.allocUnsafe(sizeBytes);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await handle.close();
  }
}
