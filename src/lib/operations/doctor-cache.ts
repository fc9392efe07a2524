/** The disk cache as a run would find it. Nothing is made, touched or mended. */
import type { Stats } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { requireKnownVersion, requireReplaceable, requireTrustedOwner } from '../cache/disk/cache-layout.ts';
import { requireOneFileSystem, requireOwnDirectories } from '../cache/disk/own-directories.ts';
import { CACHE_VERSION } from '../cache/disk/own-names.ts';
import { hasKernelLocks } from '../cache/disk/lock/kernel-lock.ts';
import type { SpaceLimits } from '../cache/disk/space-limits.ts';
import { surveyCache } from '../cache/disk/survey.ts';
import { errnoOf } from '../errno.ts';
import { isGroupDirectory } from '../cache/group-access.ts';
import { storageError, type ClipctlError } from '../errors.ts';
import { describeLimits } from './cache-usage.ts';
import { failedCheck, type CacheFacts, type DoctorCheck, type Examined } from './doctor-results.ts';
import type { Session } from './open-session.ts';

export async function examineCache(session: Session): Promise<Examined<CacheFacts>> {
  const { cacheDir: path, shared = false } = session.options;
  const directory = await lookAtDirectory(path);
  const limits = await session.disk.room.limits();
  const isGroups = directory.failure === undefined && (await isGroupDirectory(path));
  const content = directory.failure === undefined ? await lookAtContent(session) : { checks: [] };
  const locks = await lockKind(path);
  return {
    found: {
      path,
      ...directory.facts,
      shared: isGroups || (shared && !directory.facts.exists),
      layoutVersion: CACHE_VERSION,
      locks,
      ...content.facts,
      ...describeLimits(limits),
    },
    checks: [
      directoryCheck(path, directory, content.facts?.layers ?? 0),
      ...(shared && directory.facts.writable && directory.facts.exists && !isGroups
        ? [notGroupsCheck(path, directory.facts)]
        : []),
      ...content.checks,
      ...(directory.readOnly === undefined ? [spaceCheck(limits, content.facts?.ownBytes ?? 0)] : []),
      { area: 'cache', status: 'ok', message: describeLocks(locks) },
    ],
  };
}

type DirectoryFacts = Pick<CacheFacts, 'exists' | 'writable' | 'mode' | 'uid' | 'gid'>;

interface DirectoryLook {
  readonly facts: DirectoryFacts;
  /** Why nothing can be read there, nor kept. */
  readonly failure?: ClipctlError;
  /** Why nothing can be kept there; what stands there can be read. */
  readonly readOnly?: ClipctlError;
}

async function lookAtDirectory(path: string): Promise<DirectoryLook> {
  let facts: DirectoryFacts = { exists: false, writable: false };
  try {
    const stats = await statOrNothing(path);
    if (stats !== undefined) {
      const { mode, uid, gid } = stats;
      facts = { exists: true, writable: false, mode: (mode % 0o10000).toString(8).padStart(4, '0'), uid, gid };
      if (!stats.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
    }
    const place = stats === undefined ? await nearestParent(path) : path;
    await access(place, constants.R_OK | constants.X_OK);
    const readOnly = await refusalToWrite(place, path);
    if (readOnly === undefined) return { facts: { ...facts, writable: true } };
    return facts.exists ? { facts, readOnly } : { facts, failure: readOnly };
  } catch (error) {
    return { facts, failure: storageError(error, path, facts.exists ? 'read' : 'create the cache directory') };
  }
}

/** @param place the cache directory, or where it would be made */
async function refusalToWrite(place: string, cacheDir: string): Promise<ClipctlError | undefined> {
  try {
    await access(place, constants.W_OK);
    return undefined;
  } catch (error) {
    return storageError(error, cacheDir, place === cacheDir ? 'write' : 'create the cache directory');
  }
}

async function statOrNothing(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Where the directory would be made in. */
async function nearestParent(path: string): Promise<string> {
  const parent = dirname(path);
  return parent === path || (await statOrNothing(parent)) !== undefined ? parent : nearestParent(parent);
}

function directoryCheck(path: string, { facts, failure, readOnly }: DirectoryLook, layers: number): DoctorCheck {
  if (failure !== undefined) return failedCheck(failure, { area: 'cache' });
  if (readOnly !== undefined) return readOnlyCheck(path, readOnly, layers);
  const { exists, mode, uid } = facts;
  const owner = uid === undefined ? '' : `, uid ${uid}`;
  const message = exists ? `${path}: writable, mode ${mode}${owner}` : `${path}: not there yet, the first run makes it`;
  return { area: 'cache', status: 'ok', message };
}

/** `--shared` leaves a directory that is there as it is. */
function notGroupsCheck(path: string, { mode }: DirectoryFacts): DoctorCheck {
  const message = `${path}: --shared is set, but with mode ${mode ?? 'unknown'} it is not a group's: what is made there is its maker's alone`;
  const hint = "Make it the group's: chmod 2770, or 2775 for all to read.";
  return { area: 'cache', status: 'warning', message, hint };
}

/** With layers in it that may be meant so: a mount, a part of a machine's image, a cache of somebody else. */
function readOnlyCheck(path: string, readOnly: ClipctlError, layers: number): DoctorCheck {
  if (layers === 0) return failedCheck(readOnly, { area: 'cache' });
  const reason = String(readOnly.details['errno']);
  const message = `${path}: can be read, not written to (${reason}): its ${layers} layers are used, none can be added`;
  const hint = 'Unless that is meant so, make it writable, or choose another with --cache-dir or CLIPCTL_CACHE_DIR.';
  return { area: 'cache', status: 'warning', message, hint };
}

interface ContentLook {
  readonly facts?: Pick<CacheFacts, 'layers' | 'ownBytes'>;
  readonly checks: readonly DoctorCheck[];
}

async function lookAtContent(session: Session): Promise<ContentLook> {
  const { cacheDir, shared = false } = session.options;
  try {
    await requireKnownVersion(cacheDir);
    await requireTrustedOwner(cacheDir, { shared });
    await requireOwnDirectories(cacheDir);
    await requireReplaceable(cacheDir);
    await requireOneFileSystem(cacheDir);
    const { layers, ownBytes, missing, odd } = await surveyCache(cacheDir, session);
    const facts = { layers: layers.filter(({ state }) => state !== 'foreign').length, ownBytes };
    const wrong = missing.length + odd.length + layers.filter(({ state }) => state === 'changed').length;
    if (wrong === 0) return { facts, checks: [] };
    const message = `${wrong} of the layers are missing or not the files that were committed`;
    return { facts, checks: [{ area: 'cache', status: 'warning', message, hint: 'Mend them with: clipctl cache repair' }] };
  } catch (error) {
    return { checks: [failedCheck(error, { area: 'cache' })] };
  }
}

/** The cache evicts what is its own to keep free what has to be; what others took it can't give back. */
function spaceCheck({ freeBytes, minFreeBytes, maxCacheBytes }: SpaceLimits, ownBytes: number): DoctorCheck {
  const area = 'cache';
  if (freeBytes === undefined) return { area, status: 'ok', message: 'the file system does not tell how much is free' };
  if (freeBytes + ownBytes < minFreeBytes) {
    const hint = 'Free some space, lower --min-free, or choose another cache directory with --cache-dir or CLIPCTL_CACHE_DIR.';
    return {
      area,
      status: 'problem',
      code: 'STORAGE_FULL',
      message: 'no layer can be kept: less is free than --min-free leaves',
      hint,
    };
  }
  if (freeBytes < minFreeBytes || ownBytes > maxCacheBytes) {
    const hint = 'clipctl cache prune --dry-run shows what would go.';
    return { area, status: 'warning', message: 'the cache is above its limits: the next layer evicts others', hint };
  }
  return { area, status: 'ok', message: 'there is room for layers' };
}

async function lockKind(path: string): Promise<CacheFacts['locks']> {
  if (process.env['CLIPCTL_LOCKS'] === 'lease') return 'lease';
  const place =
    (await statOrNothing(path).catch(() => undefined)) === undefined ? await nearestParent(path).catch(() => path) : path;
  return (await hasKernelLocks(place)) ? 'kernel' : 'lease';
}

function describeLocks(locks: CacheFacts['locks']): string {
  if (locks === 'kernel') return 'locks of the kernel: a process that dies holds nobody up';
  return 'locks are lease files: a process that dies holds others up until its lease is old';
}
