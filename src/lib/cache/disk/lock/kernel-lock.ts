/**
 * The kernel's lock on a file (F_OFD_SETLK): nothing to clean up, it ends with its holder, kill -9 included. Through the
 * optional package fs-native-extensions; without it, and on network file systems, there is only the lease.
 */
import { constants } from 'node:fs';
import { link, lstat, open, rm, statfs, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../../errno.ts';
import { createFile, isGroupDirectory } from '../../group-access.ts';
import { isGuard, removeClosedLock } from './closed-lock.ts';
import { isStill } from './lock-file.ts';
import { nameOnItsWay } from './name-on-its-way.ts';
import { loadNativeLocks } from './native-locks.ts';

export interface KernelLock {
  release(): Promise<void>;
}

/** statfs(2): there the lock is another machine's business, or nobody's. */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x5346414f, // AFS
  0x01021997, // 9P
  0x65735546, // FUSE
  0x00c36400, // Ceph
  0x0bd00bd0, // Lustre
]);

/** Whether the optional package for them is there. */
export async function hasNativeLocks(): Promise<boolean> {
  return (await loadNativeLocks()) !== undefined;
}

/** Whether locks of the kernel work in `directory`. */
export async function hasKernelLocks(directory: string): Promise<boolean> {
  if ((await loadNativeLocks()) === undefined) return false;
  try {
    // Some kernels give the magic number sign-extended.
    return !NETWORK_FILE_SYSTEMS.has((await statfs(directory)).type >>> 0);
  } catch {
    return false;
  }
}

/**
 * `undefined` = somebody holds it.
 * @throws what the file system throws
 */
export async function tryKernelLock(path: string): Promise<KernelLock | undefined> {
  const native = await loadNativeLocks();
  const handle = await openLock(path);
  if (handle === undefined) return undefined;
  try {
    if (native?.tryLock(handle.fd) === true && (await isStill(path, await handle.stat()))) {
      return { release: () => release(path, handle) };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

const FLAGS = constants.O_RDWR | constants.O_NOFOLLOW;
/** Each time another process has let go of the lock between two calls of ours. */
const TRIES = 100;

/** `undefined` = it is held, and closed to us. */
async function openLock(path: string): Promise<FileHandle | undefined> {
  if (!(await isGroupDirectory(dirname(path)))) return open(path, FLAGS | constants.O_CREAT, 0o660);
  for (let tries = 1; ; tries += 1) {
    await makeForGroup(path);
    try {
      return await open(path, FLAGS);
    } catch (error) {
      const errno = errnoOf(error);
      if (tries === TRIES || (errno !== 'ENOENT' && (errno !== 'EACCES' || isGuard(path)))) throw error;
      if (errno === 'EACCES' && !(await removeClosed(path))) return undefined;
    }
  }
}

/** Gone meanwhile is removed too. */
async function removeClosed(path: string): Promise<boolean> {
  try {
    return await removeClosedLock(path, tryKernelLock);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}

/** It gets its name last: a member that came upon it before its mode is set would be refused. */
async function makeForGroup(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return;
  const temporary = await nameOnItsWay(path);
  try {
    await createFile(temporary, '');
    // Where there are no links (FAT, some FUSE) a moment without the mode is all there is.
    await link(temporary, path).catch((error: unknown) => (isTaken(error) ? undefined : createFile(path, '')));
  } catch (error) {
    if (!isTaken(error)) throw error;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

function isTaken(error: unknown): boolean {
  return errnoOf(error) === 'EEXIST';
}

async function release(path: string, handle: FileHandle): Promise<void> {
  try {
    await rm(path, { force: true });
  } finally {
    await handle.close();
  }
}
