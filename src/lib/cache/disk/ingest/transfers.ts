/** The directories of transfers under way, `ingest/<64 hex of the layer>.<32 hex>`: whose lock guards one, its name tells. */
import { randomBytes } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import { ingestDirectory } from '../cache-layout.ts';

export const TRANSFER_FILES = { layer: 'layer', journal: 'journal', spool: 'spool', ahead: 'ahead' } as const;

const NAME = /^([0-9a-f]{64})\.[0-9a-f]{32}$/;

export interface Transfer {
  readonly hash: ContentHash;
  /** Its directory. */
  readonly path: string;
}

/** A name that nobody has. Without `hash` it is under no lock. */
export function newTransferPath(cacheDir: string, hash: ContentHash | undefined): string {
  const random = randomBytes(16).toString('hex');
  return join(ingestDirectory(cacheDir), hash === undefined ? random : `${hash}.${random}`);
}

/** Transfers under a lock, whoever works on them. @throws ClipctlError STORAGE_* */
export async function listTransfers(cacheDir: string): Promise<Transfer[]> {
  const directory = ingestDirectory(cacheDir);
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    // A link would lead out of the cache directory.
    return entries.flatMap((entry) => {
      const { name } = entry;
      const hash = NAME.exec(name)?.[1] as ContentHash | undefined;
      return hash === undefined || !entry.isDirectory() ? [] : [{ hash, path: join(directory, name) }];
    });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(error, directory, 'read');
  }
}

/** A layer that has its final name already must never be written to again. */
export async function isUnpublished(path: string): Promise<boolean> {
  try {
    const { nlink } = await lstat(join(path, TRANSFER_FILES.layer));
    return nlink === 1;
  } catch {
    return false;
  }
}

/** What another member of the group put there may not be ours to remove. */
const NOT_OURS = new Set(['EACCES', 'EPERM', 'ENOTEMPTY']);

/** Removes it as far as we may: what stays is in nobody's way, since each transfer has a name of its own. @throws ClipctlError STORAGE_* */
export async function removeTransfer(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!NOT_OURS.has(errnoOf(error) ?? '')) throw storageError(error, path, 'remove');
  }
}
