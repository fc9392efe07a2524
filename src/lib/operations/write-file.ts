import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { access, constants, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ClipctlError, storageError } from '../errors.ts';
import { isMissing } from '../regular-file.ts';

const WRITE = { doing: 'write', elsewhere: 'another file with -o' } as const;
/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * Writes a file so that its name only ever shows all of it: random temporary name, flush, rename, flush the directory.
 * A symbolic link stays one; the file that it means is replaced.
 * @throws ClipctlError USAGE when something is there that is no regular file; STORAGE_*
 */
export async function writeFileAtomically(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const place = await placeOf(path);
  const temporary = join(dirname(place), `.clipctl-${randomBytes(16).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      for (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, place);
    await flushDirectory(dirname(place));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw storageError(error, path, WRITE);
  }
}

/**
 * Fails before the work, not after it, when a file could not be written there.
 * @throws ClipctlError USAGE when something is there that is no regular file; STORAGE_*
 */
export async function requireWritablePlace(path: string): Promise<void> {
  const place = await placeOf(path);
  try {
    await access(dirname(place), constants.W_OK);
  } catch (error) {
    throw storageError(error, path, WRITE);
  }
}

/** The name that a rename must replace: where all links end. */
async function placeOf(path: string): Promise<string> {
  try {
    const found = await statOrMiss(path);
    if (found !== undefined && !found.isFile()) throw notWritable(path, found);
    if (found === undefined && path.endsWith('/')) throw notWritable(path);
    return found === undefined ? await absentPlace(path) : await realpath(path);
  } catch (error) {
    throw storageError(error, path, WRITE);
  }
}

/** Nothing is there, but a link may be. */
async function absentPlace(path: string): Promise<string> {
  let place = path;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const directory = await realpath(dirname(place));
    place = join(directory, basename(place));
    const target = await linkTarget(place);
    if (target === undefined) return place;
    place = resolve(directory, target);
  }
  throw new ClipctlError('USAGE', `cannot write ${path}: too many symbolic links`);
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function statOrMiss(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function notWritable(path: string, found?: Stats): ClipctlError {
  const isDirectory = found === undefined || found.isDirectory();
  return new ClipctlError('USAGE', `cannot write ${path}: it is ${isDirectory ? 'a directory' : 'not a regular file'}`, {
    hint: isDirectory ? `Name a file in it: -o ${join(path, 'NAME.clip')}` : 'Name a file that is new or may be replaced.',
    details: { path },
  });
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
