/**
 * Where things stand in a cache directory (FORMATS §2), and the directory's version. Where others may swap our own directories
 * these are names through directories that are held (held-layout.ts): ask for one when it is used, and keep none.
 */
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import { createFile, groupModeOf, isStickyForGroup, READ_BY_GROUP } from '../group-access.ts';
import { makeDirectory, makeGroupDirectory } from '../make-directory.ts';
import { makeOwnDirectories, placeOf } from './held-layout.ts';
import { requireOneFileSystem } from './own-directories.ts';
import { CACHE_VERSION, OWN_DIRECTORIES, ownPath, type OwnDirectory } from './own-names.ts';

/** bford.info/cachedir: backup programs leave the directory out. */
const CACHEDIR_TAG = [
  'Signature: 8a477f597d28d172789f06886806bc55',
  '# This directory is a layer cache of clipctl: everything in it can be made again.',
  '# For information about cache directory tags, see https://bford.info/cachedir/',
  '',
].join('\n');

/** One directory a transfer, with a random name. */
export function ingestDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'ingest');
}

/** One record a layer. */
export function layersDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'layers');
}

/** Of a layer. */
export function recordPath(cacheDir: string, hash: ContentHash): string {
  return join(layersDirectory(cacheDir), `${hash}.json`);
}

/** Which images have which layers: one record an image. */
export function imagesDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'images');
}

/** Layer indexes, by the sha256 of the compressed layer. */
export function indexDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'index');
}

/** Manifests and configs, by their sha256. */
export function documentsDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'documents');
}

/** One file a pin. */
export function pinsDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'pins');
}

/** One file a running process. */
export function leasesDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'leases');
}

/** Layers on their way out: from here they can still come back. */
export function trashDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'trash');
}

/** Who works on which layer; empty while nobody does. */
export function locksDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'locks');
}

/** What is under way on servers: one note an upload. */
export function uploadsDirectory(cacheDir: string): string {
  return placeOf(cacheDir, 'uploads');
}

/** Where clipctl keeps what is not content. */
export function ownDirectory(cacheDir: string): string {
  return placeOf(cacheDir);
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
 * Makes what is missing: for the owner alone, or with `shared` for the group too. A directory that is there keeps its mode.
 * @throws ClipctlError STORAGE_*
 */
export async function prepareCacheDirectory(cacheDir: string, { shared = false } = {}): Promise<void> {
  try {
    if (shared) await makeGroupDirectory(cacheDir);
    else await makeDirectory(cacheDir, PRIVATE_MODE);
    await requireReplaceable(cacheDir);
    await makeOwnDirectories(cacheDir, OWN_DIRECTORIES, await directoryModeOf(cacheDir));
    await requireOneFileSystem(cacheDir);
    await createFile(join(cacheDir, 'CACHEDIR.TAG'), CACHEDIR_TAG, { groupMode: READ_BY_GROUP }).catch(unlessThere);
  } catch (error) {
    throw storageError(error, cacheDir, 'create the cache directory');
  }
}

/**
 * Whether the directories are there that a layer begins with; the others are made when one is missed. Looks, and remembers nothing:
 * somebody may remove them at any time. @throws ClipctlError STORAGE_ERROR for a link among them
 */
export async function hasWorkingDirectories(cacheDir: string): Promise<boolean> {
  const looks = [ingestDirectory(cacheDir), locksDirectory(cacheDir)].map((path) => lstat(path));
  return (await Promise.allSettled(looks)).every(({ status }) => status === 'fulfilled');
}

/** Makes one of our own directories when it is missing. @throws ClipctlError STORAGE_* */
export async function prepareOwnDirectory(cacheDir: string, name: OwnDirectory): Promise<void> {
  try {
    await makeOwnDirectories(cacheDir, [name], await directoryModeOf(cacheDir));
  } catch (error) {
    throw storageError(error, ownPath(cacheDir, name), 'create');
  }
}

const PRIVATE_MODE = 0o700;

/**
 * Refuses a group's directory that is sticky: a member could not evict what another has brought, nor replace what is wrong.
 * A missing one is fine.
 * @throws ClipctlError STORAGE_DENIED; what the file system throws
 */
export async function requireReplaceable(cacheDir: string): Promise<void> {
  if (!(await isStickyForGroup(cacheDir))) return;
  const what = `the cache directory ${cacheDir} is sticky: members of its group could not evict each other's layers`;
  throw new ClipctlError('STORAGE_DENIED', what, {
    details: { path: cacheDir },
    hint: 'Remove the sticky bit (chmod -t), or choose another with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}

/** The mode of directories that are made in the cache directory. */
export async function directoryModeOf(cacheDir: string): Promise<number> {
  return (await groupModeOf(cacheDir)) ?? PRIVATE_MODE;
}

function unlessThere(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}

/**
 * Refuses a directory that belongs to another user: what it vouches for, they may have made up. The administrator's is
 * trusted; a group's is with `--shared`. A missing one is fine.
 * @throws ClipctlError STORAGE_DENIED
 */
export async function requireTrustedOwner(cacheDir: string, { shared = false } = {}): Promise<void> {
  const me = process.getuid?.();
  if (shared || me === undefined) return;
  const owner = await ownerOf(cacheDir);
  if (owner === undefined || owner === me || owner === 0) return;
  throw new ClipctlError('STORAGE_DENIED', `the cache directory ${cacheDir} belongs to another user (uid ${owner})`, {
    details: { path: cacheDir, owner },
    hint: 'Add --shared if you trust everybody who can write there, or choose another with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}

async function ownerOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).uid;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw storageError(error, path, 'look at');
  }
}
