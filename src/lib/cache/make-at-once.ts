/**
 * Makes directories of a group that nobody sees before they are as they shall be. Another member may rename whatever stands in
 * the same place, and put a link or a directory of ours there: only what this call has made is written to, or removed.
 */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, rename, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ClipctlError } from '../errors.ts';
import { forgetHeld, rememberHeld, showRealPaths, withRealPaths } from '../held-names.ts';
import { errnoOf } from '../errno.ts';
import { heldName, nameWithin, openDirectory } from './held-directory.ts';

/** A directory that is made together with others. */
export interface NewDirectory {
  /** Below the topmost, which is the empty name; behind the one that it lies in. */
  readonly name: string;
  readonly mode: number;
}

/** The name is taken: by a directory, which is not empty or of somebody else, or by something else. */
const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM']);
/** What opening says of a name that has gone, or leads to something else than the directory that was just made. */
const SWAPPED = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']);
/** Until all is made nobody else comes in, whatever the group may do later. */
const MINE = 0o700;
/** What a name that {@link makeAtOnce} gives at first is, with the last name in it. */
const TEMPORARY_NAME = /^\.(.+)\.[0-9a-f]{16}$/;

/**
 * mkdir is cut by the umask and drops the setgid bit. Whoever comes upon the name, or goes on after a kill, must find it as
 * it shall be: so it gets the name last. An empty one that somebody made meanwhile is replaced by one that is the same.
 * @param top stays when it is there and not empty
 * @throws ClipctlError STORAGE_ERROR when another process has put something in its place; what the file system throws
 */
export async function makeAtOnce(top: string, directories: readonly NewDirectory[]): Promise<void> {
  if (await isThere(top)) return;
  const temporary = join(dirname(top), temporaryNameOf(basename(top)));
  const made: Made[] = [];
  try {
    for (const { name } of directories) made.push(await makeOne(temporary, name, made));
    // The outermost last: through it the others come in.
    for (const [at, { mode }] of [...directories.entries()].reverse()) await made[at]?.handle.chmod(mode);
    if (made[0] !== undefined && !(await isStillThere(made[0]))) throw swapped(temporary);
    await rename(temporary, top);
  } catch (error) {
    // One by one: what another member has put there meanwhile is not ours to empty.
    for (const each of [...made].reverse()) if (await isStillThere(each)) await rmdir(each.place).catch(() => undefined);
    showRealPaths(error);
    if (!TAKEN.has(errnoOf(error) ?? '') || !(await isThere(top))) throw error;
  } finally {
    for (const { handle } of made) await letGo(handle);
  }
}

/** False also where it can't be looked at. */
export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** Of a directory that was to be called `name`. */
export function isTemporaryNameOf(name: string, found: string): boolean {
  return TEMPORARY_NAME.exec(found)?.[1] === name;
}

function temporaryNameOf(name: string): string {
  return `.${name}.${randomBytes(8).toString('hex')}`;
}

/** One that this call has made, and holds. */
interface Made {
  readonly name: string;
  /** Its path: through the held directory that it lies in, but for the outermost. */
  readonly place: string;
  readonly handle: FileHandle;
  readonly stats: Stats;
}

/** @param made before, the one among them that it lies in */
async function makeOne(temporary: string, name: string, made: readonly Made[]): Promise<Made> {
  const path = join(temporary, name);
  const parent = name === '' ? undefined : made.find((each) => each.name === (dirname(name) === '.' ? '' : dirname(name)));
  const place = parent === undefined ? path : nameWithin(parent.handle.fd, dirname(path), basename(name));
  await mkdir(place, { mode: MINE });
  const handle = await openDirectory(place).catch((error: unknown) => {
    throw SWAPPED.has(errnoOf(error) ?? '') ? swapped(path) : error;
  });
  rememberHeld(handle.fd, withRealPaths(path));
  try {
    const stats = await handle.stat();
    if (!(await isOurs(stats, place)) || (await readdir(heldName(handle.fd, place))).length > 0) throw swapped(path);
    return { name, place, handle, stats };
  } catch (error) {
    await letGo(handle);
    throw error;
  }
}

/** A server or a mount may give to somebody else what is made there: what the administrator makes, or all to one. */
async function isOurs({ uid }: Stats, place: string): Promise<boolean> {
  const me = process.geteuid?.();
  return me === undefined || me === 0 || uid === me || uid === (await stat(dirname(place))).uid;
}

async function isStillThere({ place, stats }: Made): Promise<boolean> {
  const found = await lstat(place).catch(() => undefined);
  return found !== undefined && found.ino === stats.ino && found.dev === stats.dev;
}

async function letGo(handle: FileHandle): Promise<void> {
  forgetHeld(handle.fd);
  await handle.close();
}

function swapped(path: string): ClipctlError {
  return new ClipctlError('STORAGE_ERROR', `${path} was replaced by somebody else while it was made`, {
    details: { path: withRealPaths(path) },
    hint: 'Another member of the group did it: try again, or choose another cache directory with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}
