/** What killed processes left in `locks/`. Whoever brings such a layer next takes it over; of one that is here already nobody would. */
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentHash } from '../../../oci/digest.ts';
import { readSmallFile } from '../../regular-file.ts';
import { asFarAsPossible } from '../as-far-as-possible.ts';
import { tryLockLayer, type LockOptions } from './layer-lock.ts';
import { MAX_LEASE_BYTES } from './lease.ts';
import { lifeOf, parseHolder } from './lock-holder.ts';
import { isMakerGone, isOnItsWay } from './name-on-its-way.ts';

const LOCK = /^([0-9a-f]{64})\.(?:lock|lease)$/;
/** A lease that is being taken away (lock/lease.ts). */
const ASIDE = /^[0-9a-f]{64}\.aside\.[0-9a-f]{16}$/;
/** Both stand for an instant: who has not ended it by now never will. */
const MAX_AGE_MS = 60_000;

export interface DeadLockOptions {
  readonly lockKind: LockOptions['kind'];
  /** Now, as the file system tells the time. */
  readonly nowMs: () => Promise<number>;
}

/** What can't be removed stays; who needs that layer is told. */
export async function removeDeadLocks(directory: string, { lockKind, nowMs }: DeadLockOptions): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return;
  const hashes = new Set(names.flatMap((name) => LOCK.exec(name)?.[1] ?? []));
  // To take a lock and to let go of it takes away what a dead holder left.
  for (const hash of hashes)
    await asFarAsPossible(async () => (await tryLockLayer(directory, hash as ContentHash, lockKind))?.release());
  for (const name of names.filter((each) => isOnItsWay(each) || ASIDE.test(each))) {
    const path = join(directory, name);
    await asFarAsPossible(async () => {
      if ((isOnItsWay(name) && ((await isMakerGone(name)) || (await isOfDead(path)))) || (await isOld(path, await nowMs())))
        await rm(path, { force: true });
    });
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
