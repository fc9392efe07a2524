/** What killed processes left in `ingest/`, `trash/`, `locks/` and `leases/`, and of these themselves: it goes when nobody works on it and nobody will. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentHash } from '../../../oci/digest.ts';
import { asFarAsPossible } from '../as-far-as-possible.ts';
import { ingestDirectory, locksDirectory } from '../cache-layout.ts';
import { emptyTrash } from '../empty-trash.ts';
import { fileSystemTimeMs } from '../file-system-time.ts';
import { isOwnerRunning } from '../owned-name.ts';
import { removeHalfMade } from '../half-made.ts';
import { removeDeadLocks } from '../lock/dead-locks.ts';
import { tryLockLayer, type LockOptions } from '../lock/layer-lock.ts';
import { readLeases } from '../read-leases.ts';
import { dropTransfer, dropUnlocked } from './settle-commit.ts';
import { isUnpublished, listTransfers, type Transfer } from './transfers.ts';

/** Nobody goes on with a transfer that has not moved for so long. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;
/** Names that are under no lock: stores of a library, records on their way. */
const UNLOCKED_NAME = /^[0-9a-f]{32}$|^[0-9a-f-]+\.record$/;

export interface LeftoverOptions {
  readonly lockKind: LockOptions['kind'];
  /** `verified`: the layer stands under its final name. */
  readonly stateOf: (hash: ContentHash) => Promise<string>;
  /** Ends it early: who stops a command does not wait for what thousands of others have left. */
  readonly signal: AbortSignal;
}

/** Never fails: what can't be removed now stays for the next run. */
export async function removeLeftovers(cacheDir: string, options: LeftoverOptions): Promise<void> {
  const { lockKind, signal } = options;
  // The file system is asked only where something is left.
  let now: Promise<number> | undefined;
  const nowMs = (): Promise<number> => (now ??= fileSystemTimeMs(cacheDir));
  await asFarAsPossible(async () => {
    for (const transfer of await listTransfers(cacheDir)) {
      if (signal.aborted) return;
      // One that can't be removed (another user's, in a shared cache) keeps nobody from the others.
      await asFarAsPossible(() => removeIfOver(cacheDir, transfer, { ...options, nowMs }));
    }
  });
  await asFarAsPossible(() => removeUnlocked(cacheDir, nowMs, signal));
  if (signal.aborted) return;
  await asFarAsPossible(() => emptyTrash(cacheDir));
  await asFarAsPossible(() => removeHalfMade(cacheDir, { nowMs, maxAgeMs: MAX_AGE_MS }));
  await asFarAsPossible(() => removeDeadLocks(locksDirectory(cacheDir), { lockKind, nowMs }));
  // Reading them takes away those of dead processes.
  await asFarAsPossible(() => readLeases(cacheDir));
}

interface Judging extends LeftoverOptions {
  /** Now, as the file system tells the time. */
  readonly nowMs: () => Promise<number>;
}

async function removeIfOver(cacheDir: string, transfer: Transfer, { nowMs, ...options }: Judging): Promise<void> {
  const isOver = (await isFinished(transfer, options)) || (await isOld(transfer.path, await nowMs()));
  if (isOver) await removeUnderLock(cacheDir, transfer, options);
}

/** Its layer is there: also when whoever brought it was killed before it could vouch for it. */
async function isFinished({ hash, path }: Transfer, { stateOf }: LeftoverOptions): Promise<boolean> {
  return (await stateOf(hash)) === 'verified' || !(await isUnpublished(path));
}

async function removeUnlocked(cacheDir: string, nowMs: () => Promise<number>, signal: AbortSignal): Promise<void> {
  const directory = ingestDirectory(cacheDir);
  for (const name of await namesOf(directory)) {
    if (signal.aborted) return;
    const path = join(directory, name);
    await asFarAsPossible(async () => {
      if ((await isOwnerRunning(name)) === false || (await isOld(path, await nowMs()))) await dropUnlocked(cacheDir, path);
    });
  }
}

async function removeUnderLock(cacheDir: string, transfer: Transfer, { lockKind }: LeftoverOptions): Promise<void> {
  const lock = await tryLockLayer(locksDirectory(cacheDir), transfer.hash, lockKind);
  if (lock === undefined) return;
  try {
    await dropTransfer(cacheDir, transfer);
  } finally {
    await lock.release();
  }
}

async function namesOf(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).filter((name) => UNLOCKED_NAME.test(name));
}

/** By the newest of it: a transfer moves on in its files. */
async function isOld(path: string, nowMs: number): Promise<boolean> {
  const names = await readdir(path).catch(() => []);
  const times = await Promise.all(
    [path, ...names.map((name) => join(path, name))].map(async (each) => (await lstat(each)).mtimeMs),
  );
  return nowMs - Math.max(...times) > MAX_AGE_MS;
}
