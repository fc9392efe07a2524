/** Hashes a file in a worker, so that several files are hashed on several cores. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { notRegular } from '../cache/regular-file.ts';
import { storageError } from '../errors.ts';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The sha256 of a file in hex, read through `buffer`; `undefined` when it is missing, or grew or shrank meanwhile.
 * @throws ClipctlError STORAGE_ERROR when it is no regular file, STORAGE_*
 */
export function hashFileThrough(path: string, buffer: Uint8Array): string | undefined {
  const fd = openOrMissing(path);
  if (fd === undefined) return undefined;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw notRegular(path);
    const sha = createHash('sha256');
    let at = 0;
    for (let read = readSync(fd, buffer, 0, buffer.length, at); read > 0; read = readSync(fd, buffer, 0, buffer.length, at)) {
      sha.update(buffer.subarray(0, read));
      at += read;
    }
    return at === stats.size ? sha.digest('hex') : undefined;
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? storageError(error, path, 'read') : error;
  } finally {
    closeSync(fd);
  }
}

function openOrMissing(path: string): number | undefined {
  try {
    return openSync(path, FLAGS);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    throw code === 'ELOOP' || code === 'ENXIO' ? notRegular(path, error) : storageError(error, path, 'open');
  }
}
