import { mkdir } from 'node:fs/promises';
import { dirname, relative, sep } from 'node:path';
import { errnoOf } from '../errno.ts';
import { GROUP_DIRECTORY, isModeOfGroup } from './group-access.ts';
import { isThere, makeAtOnce } from './make-at-once.ts';

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

const PASSABLE = 0o755;

/** @param group its directory, `top` itself or below it */
function makeExactly(top: string, group: { readonly path: string; readonly mode: number }): Promise<void> {
  const inner = relative(top, group.path).split(sep).filter(Boolean);
  const names = ['', ...inner.map((_, at) => inner.slice(0, at + 1).join(sep))];
  return makeAtOnce(
    top,
    names.map((name, at) => ({ name, mode: at === names.length - 1 ? group.mode : PASSABLE })),
  );
}
