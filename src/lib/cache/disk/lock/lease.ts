/**
 * A lease: a small file that says who works on a layer, and whose mtime its holder moves on. It works on any file system.
 * No clock is compared with another: a waiter watches on its own monotonic clock whether the mtime still moves.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { errnoOf } from '../../../errno.ts';
import { createFile } from '../../group-access.ts';
import { lookAtFile, notRegular, readSmallFile } from '../../regular-file.ts';
import { lifeOf, parseHolder, type LeaseHolder } from './lock-holder.ts';
import { nameOnItsWay } from './name-on-its-way.ts';

const HEARTBEAT_MS = 1000;
/** A holder that can't be seen otherwise is dead when its lease has not moved for so long. */
export const STALE_MS = 10_000;
export const MAX_LEASE_BYTES = 4096;

export interface Lease {
  release(): Promise<void>;
}

/** What a waiter saw of a lease, and since when it looks like this; `performance.now()`. */
export interface LeaseSight {
  readonly holder: LeaseHolder | undefined;
  readonly modifiedMs: number;
  readonly sinceMs: number;
}

/**
 * Takes the lease when nobody has it. `undefined` = somebody has.
 * @throws what the file system throws
 */
export async function tryLease(path: string, holder: LeaseHolder): Promise<Lease | undefined> {
  const temporary = await nameOnItsWay(path);
  try {
    await createFile(temporary, JSON.stringify(holder), { mode: 0o660 });
    return (await takeName(temporary, path)) ? holdLease(path, holder) : undefined;
  } finally {
    // What stays behind hinders nobody; a lease that was taken and is not known to be ours would.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/**
 * `undefined` = there is no lease.
 * @throws ClipctlError STORAGE_ERROR when something else has its name: nobody holds that, so nobody would ever let go of it
 */
export async function lookAtLease(path: string, before: LeaseSight | undefined): Promise<LeaseSight | undefined> {
  const file = (await readSmallFile(path, MAX_LEASE_BYTES)) ?? (await lookAtUnreadable(path));
  if (file === undefined) return undefined;
  const holder = parseHolder(file.text);
  const { modifiedMs } = file;
  const isSame = before !== undefined && before.modifiedMs === modifiedMs && before.holder?.token === holder?.token;
  return { holder, modifiedMs, sinceMs: isSame ? before.sinceMs : performance.now() };
}

/** Too large for a lease: a holder that nobody can make sense of. */
async function lookAtUnreadable(path: string): Promise<{ readonly text: string; readonly modifiedMs: number } | undefined> {
  const found = await lookAtFile(path);
  if (found === 'other') throw notRegular(path);
  return found === undefined ? undefined : { text: '', modifiedMs: found.mtimeMs };
}

export interface StaleOptions {
  /** We hold the kernel's lock: who had it before us is dead. */
  readonly hasKernelLock: boolean;
  readonly staleMs: number;
}

/** True when the holder of the lease is dead. */
export function isStale({ holder, sinceMs }: LeaseSight, { hasKernelLock, staleMs }: StaleOptions): boolean {
  if (holder !== undefined) {
    if (hasKernelLock && holder.kind === 'kernel') return true;
    const life = lifeOf(holder);
    if (life !== 'unknown') return life === 'dead';
  }
  return performance.now() - sinceMs > staleMs;
}

/** Takes a stale lease away; one that somebody else took meanwhile is put back. */
export async function breakLease(path: string, stale: LeaseSight): Promise<void> {
  // Not named like one on its way: those of dead holders go (dead-locks.ts), and here we are at work.
  const aside = `${path.replace(/\.lease$/, '')}.aside.${randomBytes(8).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  const taken = parseHolder((await readSmallFile(aside, MAX_LEASE_BYTES))?.text ?? '');
  if (taken?.token !== stale.holder?.token) await takeName(aside, path);
  await rm(aside, { force: true });
}

/** Atomic, with the content: nobody sees half a lease. */
async function takeName(from: string, path: string): Promise<boolean> {
  try {
    await link(from, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    if (errnoOf(error) === 'EPERM' || errnoOf(error) === 'ENOTSUP' || errnoOf(error) === 'ENOSYS') return copyName(from, path);
    throw error;
  }
}

/** A file system without hard links: the name first, its content right behind it. */
async function copyName(from: string, path: string): Promise<boolean> {
  const text = (await readSmallFile(from, MAX_LEASE_BYTES))?.text ?? '';
  try {
    await createFile(path, text, { mode: 0o660 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function holdLease(path: string, holder: LeaseHolder): Lease {
  const beat = setInterval(() => void moveOn(path, holder), HEARTBEAT_MS);
  beat.unref();
  return {
    release: async () => {
      clearInterval(beat);
      if (await isOurs(path, holder)) await rm(path, { force: true });
    },
  };
}

async function isOurs(path: string, { token }: LeaseHolder): Promise<boolean> {
  return parseHolder((await readSmallFile(path, MAX_LEASE_BYTES))?.text ?? '')?.token === token;
}

/** A beat that fails is one beat less: the lease is a help, what it guards is checked where it counts. */
async function moveOn(path: string, holder: LeaseHolder): Promise<void> {
  try {
    if (!(await isOurs(path, holder))) return;
    const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    const now = new Date();
    await handle.utimes(now, now).finally(() => handle.close());
  } catch {
    return;
  }
}
