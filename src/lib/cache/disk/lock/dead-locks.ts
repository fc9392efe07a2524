/** What killed processes left in `locks/`. Whoever brings such a layer next takes it over; of one that is here already nobody would. */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { readSmallFile } from '../../regular-file.ts';
import { tryLockLayer, type LockOptions } from './layer-lock.ts';
import { MAX_LEASE_BYTES } from './lease.ts';
import { lifeOf, parseHolder } from './lock-holder.ts';

const LOCK = /^([0-9a-f]{64})\.(?:lock|lease)$/;
/** On its way to be a lease, or one that is being taken away (lock/lease.ts). */
const ON_ITS_WAY = /^[0-9a-f]{64}\.lease\.[0-9a-f]{16}$/;
const ASIDE = /^[0-9a-f]{64}\.aside\.[0-9a-f]{16}$/;
/** Both stand for an instant: who has not ended it by now never will. */
const MAX_AGE_MS = 60_000;

export interface DeadLockOptions {
  readonly lockKind: LockOptions['kind'];
  /** Now, as the file system tells the time. */
  readonly nowMs: () => Promise<number>;
}

/** @throws ClipctlError STORAGE_*, what the file system throws */
export async function removeDeadLocks(directory: string, { lockKind, nowMs }: DeadLockOptions): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return;
  const hashes = new Set(names.flatMap((name) => LOCK.exec(name)?.[1] ?? []));
  // To take a lock and to let go of it takes away what a dead holder left.
  for (const hash of hashes) await takeAndLetGo(directory, hash as ContentHash, lockKind);
  for (const name of names.filter((each) => ON_ITS_WAY.test(each) || ASIDE.test(each))) {
    const path = join(directory, name);
    if ((ON_ITS_WAY.test(name) && (await isOfDead(path))) || (await isOld(path, await nowMs()))) await rm(path, { force: true });
  }
}

async function takeAndLetGo(directory: string, hash: ContentHash, lockKind: LockOptions['kind']): Promise<void> {
  try {
    await (await tryLockLayer(directory, hash, lockKind))?.release();
  } catch (error) {
    // What can't be a lock keeps nobody from the others; who needs that layer is told.
    if (!(error instanceof ClipctlError)) throw error;
  }
}

async function isOfDead(path: string): Promise<boolean> {
  const holder = parseHolder((await readSmallFile(path, MAX_LEASE_BYTES))?.text ?? '');
  return holder !== undefined && lifeOf(holder) === 'dead';
}

async function isOld(path: string, nowMs: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && nowMs - found.ctimeMs > MAX_AGE_MS;
}
