import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rmdir } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { errnoOf } from './errno.ts';
import { GROUP_DIRECTORY, isModeOfGroup } from './group-access.ts';

/**
 * Makes a directory and its parents; one that is there keeps its mode. Not mkdir's `recursive`: on a read-only file
 * system Node 20 reports that as ENOENT, which hides the reason.
 * @param mode the umask cuts it, unless it is a group's
 * @throws what mkdir throws
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  try {
    await makeOneDirectory(path, mode);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path), mode);
    await makeOneDirectory(path, mode);
  }
}

/** Its parent must be there. @throws what mkdir throws */
export async function makeOneDirectory(path: string, mode: number): Promise<void> {
  try {
    if (isModeOfGroup(mode)) await makeExactly(path, { path, mode });
    else await mkdir(path, { mode });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/**
 * Makes a directory for others to come to, and its parents for them to pass: a umask that keeps them out is for other files.
 * @throws what mkdir throws
 */
export async function makeGroupDirectory(path: string): Promise<void> {
  const top = await topmostMissing(path);
  if (top === undefined) return;
  if (top !== path) await makeExactly(top, { path, mode: GROUP_DIRECTORY });
  // Somebody may have made the parents alone meanwhile.
  await makeOneDirectory(path, GROUP_DIRECTORY);
}

async function topmostMissing(path: string): Promise<string | undefined> {
  if (await isThere(path)) return undefined;
  return (dirname(path) === path ? undefined : await topmostMissing(dirname(path))) ?? path;
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** The name is taken: by a directory, which is not empty or of somebody else, or by something else. */
const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM']);

/** @param group its directory, `top` itself or below it */
function makeExactly(top: string, group: { readonly path: string; readonly mode: number }): Promise<void> {
  const inner = relative(top, group.path).split(sep).filter(Boolean);
  const names = ['', ...inner.map((_, at) => inner.slice(0, at + 1).join(sep))];
  return makeAtOnce(
    top,
    names.map((name, at) => ({ name, mode: at === names.length - 1 ? group.mode : PASSABLE })),
  );
}

/** A directory that is made together with others. */
export interface NewDirectory {
  /** Below the topmost, which is the empty name; behind the one that it lies in. */
  readonly name: string;
  readonly mode: number;
}

/**
 * mkdir is cut by the umask and drops the setgid bit. Whoever comes upon the name, or goes on after a kill, must find it as
 * it shall be: so it gets the name last. An empty one that somebody made meanwhile is replaced by one that is the same.
 * @param top stays when it is there and not empty
 * @throws what the file system throws
 */
export async function makeAtOnce(top: string, directories: readonly NewDirectory[]): Promise<void> {
  if (await isThere(top)) return;
  const temporary = join(dirname(top), `.${basename(top)}.${randomBytes(8).toString('hex')}`);
  const made = directories.map(({ name, mode }) => ({ path: join(temporary, name), mode }));
  try {
    for (const { path } of made) await mkdir(path, { mode: 0o700 });
    for (const { path, mode } of made) await setMode(path, mode);
    await rename(temporary, top);
  } catch (error) {
    // One by one: what another member has put there meanwhile is not ours to empty.
    for (const { path } of made.reverse()) await rmdir(path).catch(() => undefined);
    if (!TAKEN.has(errnoOf(error) ?? '') || !(await isThere(top))) throw error;
  }
}

const PASSABLE = 0o755;

/** Through a handle: what another member put under the name meanwhile is not ours. */
async function setMode(path: string, mode: number): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(mode);
  } finally {
    await handle.close();
  }
}
