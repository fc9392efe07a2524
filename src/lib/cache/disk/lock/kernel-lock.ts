/**
 * The kernel's lock on a file (F_OFD_SETLK): nothing to clean up, it ends with its holder, kill -9 included. Through the
 * optional package fs-native-extensions; without it, and on network file systems, there is only the lease.
 */
import { constants, type Stats } from 'node:fs';
import { link, lstat, open, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../errno.ts';
import { createFile, isGroupDirectory } from '../../group-access.ts';
import { nameOnItsWay } from './name-on-its-way.ts';

/** Not a literal: a bundler must leave it where it is, since it finds its binaries beside itself. */
const NATIVE_PACKAGE: string = 'fs-native-extensions';

/** What is used of the package, which brings no types. */
interface NativeLocks {
  tryLock(fd: number): boolean;
}

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

let loading: Promise<NativeLocks | undefined> | undefined;

/** Whether the optional package for them is there. */
export async function hasNativeLocks(): Promise<boolean> {
  return (await loadNative()) !== undefined;
}

/** Whether locks of the kernel work in `directory`. */
export async function hasKernelLocks(directory: string): Promise<boolean> {
  if ((await loadNative()) === undefined) return false;
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
  const native = await loadNative();
  const handle = await openLock(path);
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

async function openLock(path: string): Promise<FileHandle> {
  if (!(await isGroupDirectory(dirname(path)))) return open(path, FLAGS | constants.O_CREAT, 0o660);
  for (let tries = 1; ; tries += 1) {
    await makeForGroup(path);
    try {
      return await open(path, FLAGS);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries === TRIES) throw error;
    }
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

/** The holder before us takes the name away while it holds the lock: who locked that file has locked nothing. */
async function isStill(path: string, locked: Stats): Promise<boolean> {
  try {
    return (await stat(path)).ino === locked.ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function release(path: string, handle: FileHandle): Promise<void> {
  try {
    await rm(path, { force: true });
  } finally {
    await handle.close();
  }
}

function loadNative(): Promise<NativeLocks | undefined> {
  loading ??= (import(NATIVE_PACKAGE) as Promise<{ readonly default: NativeLocks }>).then(
    (loaded) => loaded.default,
    () => undefined,
  );
  return loading;
}
