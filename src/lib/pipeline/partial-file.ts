/** Reads what a stopped transfer has left, in a worker. */
import { closeSync, constants, readSync } from 'node:fs';
import { openOwnSync, type OwnFile } from '../cache/own-file.ts';
import { MAX_WINDOW_BYTES } from '../compression/window-codec.ts';
import { ClipctlError, storageError } from '../errors.ts';

const READ_BYTES = 64 * 1024;

/** Gives the first `bytes` of the file to `take`, in order. @throws ClipctlError STORAGE_*; what `take` throws */
export function replayFile(file: OwnFile, bytes: number, take: (view: Uint8Array) => void): void {
  withFile(file, (fd) => {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; at < bytes;) {
      const read = readSync(fd, buffer, 0, Math.min(READ_BYTES, bytes - at), at);
      if (read === 0) throw shrunk(file);
      take(buffer.subarray(0, read));
      at += read;
    }
  });
}

/** The bytes [start, end), at most a window. @throws ClipctlError STORAGE_* */
export function readWindow(file: OwnFile, start: number, end: number): Uint8Array {
  return withFile(file, (fd) => {
    const buffer = Buffer.alloc(MAX_WINDOW_BYTES);
    const length = Math.min(end - start, MAX_WINDOW_BYTES);
    if (readSync(fd, buffer, 0, length, start) !== length) throw shrunk(file);
    return buffer.subarray(0, length);
  });
}

function withFile<T>(file: OwnFile, use: (fd: number) => T): T {
  try {
    const fd = openOwnSync(file, constants.O_RDONLY);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? storageError(error, file.path, 'read') : error;
  }
}

function shrunk({ path }: OwnFile): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `the partial file ${path} has shrunk`, { details: { path } });
}
