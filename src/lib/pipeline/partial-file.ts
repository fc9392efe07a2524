/** Reads what a stopped transfer has left, in a worker. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { MAX_WINDOW_BYTES } from '../compression/window-codec.ts';
import { ClipctlError, storageError } from '../errors.ts';

const READ_BYTES = 64 * 1024;

/** Gives the first `bytes` of the file to `take`, in order. @throws ClipctlError STORAGE_*; what `take` throws */
export function replayFile(path: string, bytes: number, take: (view: Uint8Array) => void): void {
  withFile(path, (fd) => {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; at < bytes;) {
      const read = readSync(fd, buffer, 0, Math.min(READ_BYTES, bytes - at), at);
      if (read === 0) throw shrunk(path);
      take(buffer.subarray(0, read));
      at += read;
    }
  });
}

/** The bytes [start, end), at most a window. @throws ClipctlError STORAGE_* */
export function readWindow(path: string, start: number, end: number): Uint8Array {
  return withFile(path, (fd) => {
    const buffer = Buffer.alloc(MAX_WINDOW_BYTES);
    const length = Math.min(end - start, MAX_WINDOW_BYTES);
    if (readSync(fd, buffer, 0, length, start) !== length) throw shrunk(path);
    return buffer.subarray(0, length);
  });
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? storageError(error, path, 'read') : error;
  }
}

function shrunk(path: string): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `the partial file ${path} has shrunk`, { details: { path } });
}
