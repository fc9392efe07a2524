import { randomBytes } from 'node:crypto';
import { access, constants, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { storageError } from '../errors.ts';

/** Writes a file so that its name only ever shows all of it: random temporary name, flush, rename, flush the directory. */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await flushDirectory(dirname(path));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw storageError(error, path, 'write');
  }
}

/** Fails before the work, not after it, when a file could not be written there. @throws ClipctlError STORAGE_* */
export async function requireWritablePlace(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    throw storageError(error, path, 'write');
  }
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
