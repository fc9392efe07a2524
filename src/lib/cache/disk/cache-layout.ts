/** Where things stand in a cache directory (FORMATS §2), and the directory's version. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { errnoOf } from '../errno.ts';
import { makeDirectory } from '../make-directory.ts';

/** Of our own state under `.clipctl/`. */
export const CACHE_VERSION = 1;

const OWN_DIRECTORIES = ['ingest', 'layers', 'locks', 'index'] as const;

/** bford.info/cachedir: backup programs leave the directory out. */
const CACHEDIR_TAG = [
  'Signature: 8a477f597d28d172789f06886806bc55',
  '# This directory is a layer cache of clipctl: everything in it can be made again.',
  '# For information about cache directory tags, see https://bford.info/cachedir/',
  '',
].join('\n');

/** One directory a transfer, with a random name. */
export function ingestDirectory(cacheDir: string): string {
  return join(ownDirectory(cacheDir), 'ingest');
}

/** One record a layer. */
export function recordPath(cacheDir: string, hash: ContentHash): string {
  return join(ownDirectory(cacheDir), 'layers', `${hash}.json`);
}

/** Who works on which layer; empty while nobody does. */
export function locksDirectory(cacheDir: string): string {
  return join(ownDirectory(cacheDir), 'locks');
}

/** Where clipctl keeps what is not content. */
export function ownDirectory(cacheDir: string): string {
  return join(cacheDir, '.clipctl', `v${CACHE_VERSION}`);
}

/**
 * Refuses a directory that a newer clipctl has written. A missing one is fine.
 * @throws ClipctlError CACHE_VERSION, STORAGE_*
 */
export async function requireKnownVersion(cacheDir: string): Promise<void> {
  const newest = Math.max(0, ...(await versionsIn(join(cacheDir, '.clipctl'))));
  if (newest <= CACHE_VERSION) return;
  throw new ClipctlError('CACHE_VERSION', `the cache directory ${cacheDir} was made by a newer clipctl (version ${newest})`, {
    details: { path: cacheDir, found: newest, known: CACHE_VERSION },
    hint: 'Update clipctl, or choose another cache directory with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}

async function versionsIn(path: string): Promise<number[]> {
  try {
    const names = await readdir(path);
    return names.flatMap((name) => (/^v[1-9]\d{0,8}$/.test(name) ? [Number(name.slice(1))] : []));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(error, path, 'read the cache directory');
  }
}

/**
 * Makes what is missing, for the owner alone; a directory that is there keeps its mode.
 * @throws ClipctlError STORAGE_*
 */
export async function prepareCacheDirectory(cacheDir: string): Promise<void> {
  try {
    for (const name of OWN_DIRECTORIES) await makeDirectory(join(ownDirectory(cacheDir), name), 0o700);
    await writeFile(join(cacheDir, 'CACHEDIR.TAG'), CACHEDIR_TAG, { flag: 'wx' }).catch(unlessThere);
  } catch (error) {
    throw storageError(error, cacheDir, 'create the cache directory');
  }
}

function unlessThere(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}
