/** Files of a file remote before they have their name. */
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import { makeDirectory } from '../make-directory.ts';
import { openRegularFile } from '../regular-file.ts';

/** A name that nobody else has. */
export function temporaryIn(directory: string): string {
  return join(directory, `.clipctl-${randomBytes(16).toString('hex')}.tmp`);
}

/** Makes an empty file, and the directory where it is missing. @throws ClipctlError STORAGE_* */
export async function createTemporary(directory: string): Promise<string> {
  const path = temporaryIn(directory);
  try {
    await makeDirectory(directory);
    const handle = await open(path, 'wx');
    await handle.close();
    return path;
  } catch (error) {
    throw storageError(error, path, 'create');
  }
}

/** Makes it read-only and flushes it. @throws ClipctlError STORAGE_* */
export async function sealFile(path: string): Promise<void> {
  const file = await openRegularFile(path);
  if (file === undefined) throw storageError(undefined, path, 'flush');
  try {
    await file.handle.chmod(0o444);
    await file.handle.sync();
  } catch (error) {
    throw storageError(error, path, 'flush');
  } finally {
    await file.handle.close();
  }
}

/** @throws ClipctlError STORAGE_* */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw storageError(error, path, 'remove');
  }
}
