/**
 * The kernel's lock on a file (F_OFD_SETLK): nothing to clean up, it ends with its holder, kill -9 included. Through the
 * optional package fs-native-extensions; without it, and on network file systems, there is only the lease.
 */
import { constants, type Stats } from 'node:fs';
import { open, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { errnoOf } from '../../errno.ts';

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
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o660);
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
