/** The directories of our own state are directories: what stands in their place would lead our files elsewhere. */
import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipctlError, storageError } from '../../errors.ts';
import { errnoOf } from '../../errno.ts';
import { ALL_DIRECTORIES, ownPath } from './own-names.ts';

/**
 * Refuses a link, and whatever else is no directory, where one of ours stands (RELIABILITY §1.3 row 20). Missing ones are
 * fine. The cache directory itself may be a link: its user made that.
 * @throws ClipctlError STORAGE_ERROR that names it, STORAGE_*
 */
export async function requireOwnDirectories(cacheDir: string): Promise<void> {
  // All looks at once; of several that are wrong the outermost is named.
  const checks = await Promise.allSettled(pathsIn(cacheDir).map(requireDirectory));
  for (const check of checks) if (check.status === 'rejected') throw check.reason;
}

async function requireDirectory(path: string): Promise<void> {
  const found = await look(path);
  if (found !== undefined && !found.isDirectory()) throw notDirectory(path, found);
}

/** @param found what stands there, if anybody knows */
export function notDirectory(path: string, found: Pick<Stats, 'isSymbolicLink'> | undefined): ClipctlError {
  const what = found?.isSymbolicLink() === true ? 'is a link, and is not followed' : 'is not a directory';
  return new ClipctlError('STORAGE_ERROR', `${path} ${what}`, {
    details: { path },
    hint: 'Something else put it there: look at it and remove it, or choose another cache directory with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}

/**
 * Refuses one of ours on another file system than the layers: no link(2) or rename(2) leads across, and a copy would be visible
 * half. Missing ones are fine. A bind mount within one file system is not seen, since it has the same st_dev: what is moved there
 * fails with EXDEV later. Reading does without this.
 * @throws ClipctlError STORAGE_ERROR that names the outermost; what the file system throws
 */
export async function requireOneFileSystem(cacheDir: string): Promise<void> {
  const looks = await Promise.all(pathsIn(cacheDir).map(async (path) => ({ path, found: await look(path) })));
  const present = looks.filter(({ found }) => found !== undefined);
  if (present.length === 0) return;
  const { dev } = await stat(cacheDir);
  const apart = present.find(({ found }) => found?.dev !== dev)?.path;
  if (apart === undefined) return;
  throw new ClipctlError(
    'STORAGE_ERROR',
    `${apart} is on another file system than ${cacheDir}: nothing could be moved between them`,
    {
      details: { path: apart },
      hint: 'Unmount what lies below the cache directory, or choose another with --cache-dir or CLIPCTL_CACHE_DIR.',
    },
  );
}

/** All of ours that are to be directories, the outermost first. */
function pathsIn(cacheDir: string): string[] {
  const own = ownPath(cacheDir);
  return [dirname(own), own, ...ALL_DIRECTORIES.map((name) => ownPath(cacheDir, name))];
}

async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw storageError(error, path, 'look at');
  }
}
