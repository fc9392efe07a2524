/** What killed processes left in `ingest/`: it goes when nobody works on it and nobody will. */
import { lstat, readdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ClipctlError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { ingestDirectory, locksDirectory } from '../cache-layout.ts';
import { tryLockLayer, type LockOptions } from '../lock/layer-lock.ts';
import { listTransfers, removeTransfer } from './transfers.ts';

/** Nobody goes on with a transfer that has not moved for so long. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;
/** Names that are under no lock: stores of a library, records on their way. */
const UNLOCKED_NAME = /^[0-9a-f]{32}(\.record)?$/;

export interface LeftoverOptions {
  readonly lockKind: LockOptions['kind'];
  /** `verified`: the layer stands under its final name. */
  readonly stateOf: (hash: ContentHash) => Promise<string>;
}

/** Never fails: what can't be removed now stays for the next run. */
export async function removeLeftovers(cacheDir: string, options: LeftoverOptions): Promise<void> {
  try {
    const directory = ingestDirectory(cacheDir);
    const transfers = await listTransfers(cacheDir);
    const unlocked = await namesOf(directory);
    if (transfers.length + unlocked.length === 0) return;
    const nowMs = await fileSystemTimeMs(directory);
    for (const { hash, path } of transfers) {
      if ((await options.stateOf(hash)) === 'verified' || (await isOld(path, nowMs)))
        await removeUnderLock(cacheDir, { hash, path }, options);
    }
    for (const name of unlocked) if (await isOld(join(directory, name), nowMs)) await removeTransfer(join(directory, name));
  } catch (error) {
    if (!(error instanceof ClipctlError) && !(error instanceof Error && 'syscall' in error)) throw error;
  }
}

async function removeUnderLock(
  cacheDir: string,
  { hash, path }: { readonly hash: ContentHash; readonly path: string },
  { lockKind }: LeftoverOptions,
): Promise<void> {
  const lock = await tryLockLayer(locksDirectory(cacheDir), hash, lockKind);
  if (lock === undefined) return;
  try {
    await removeTransfer(path);
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

/** mtimes are compared with an mtime of the same file system, never with this machine's clock. */
async function fileSystemTimeMs(directory: string): Promise<number> {
  const path = join(directory, `${randomBytes(16).toString('hex')}.record`);
  try {
    await writeFile(path, '', { flag: 'wx' });
    return (await lstat(path)).mtimeMs;
  } finally {
    await rm(path, { force: true });
  }
}
