/**
 * A lock file of another member of a group that its mode keeps us from writing to, and so from locking: earlier builds made
 * them by the umask. Nobody but its owner could ever lock it again. Its name goes when nobody holds it.
 */
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isStill } from './lock-file.ts';
import { loadNativeLocks } from './native-locks.ts';

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Named like a lock of a layer, and of none: one that is left goes as those do. */
const GUARD = `${'f'.repeat(64)}.lock`;

interface Held {
  release(): Promise<void>;
}

/**
 * True when the name is free now. A shared lock, for which reading is enough, tells that nobody has the file locked, and
 * keeps everybody from it meanwhile. But two may have a shared one, and the later of them must not take away what others
 * have put there since: so one at a time looks and removes.
 * @param lockGuard `undefined` = somebody is at it
 * @throws what the file system throws, EACCES too where the file can't be read either
 */
export async function removeClosedLock(path: string, lockGuard: (path: string) => Promise<Held | undefined>): Promise<boolean> {
  const native = await loadNativeLocks();
  const handle = await open(path, READ);
  try {
    const guard = await lockGuard(join(dirname(path), GUARD));
    if (guard === undefined) return false;
    try {
      if (native?.tryLock(handle.fd, { shared: true }) !== true) return false;
      if (await isStill(path, await handle.stat())) await rm(path, { force: true });
      return true;
    } finally {
      await guard.release();
    }
  } finally {
    await handle.close();
  }
}

export function isGuard(path: string): boolean {
  return path.endsWith(GUARD);
}
