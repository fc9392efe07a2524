/** What is left of a commit that was killed: nobody loses a file over it, and nothing is counted that is not there. */
import { join } from 'node:path';
import type { ContentHash } from '../../../oci/digest.ts';
import { layerStats } from '../layer-file.ts';
import { hasLayerRecord, readLayerRecord, recordedLayers, removeLayerRecord, WRONG, writeLayerRecord } from '../layer-record.ts';
import { removeTransfer } from './remove-transfer.ts';
import { ownLayerIn, type Transfer } from './transfers.ts';

/** Removes what nobody goes on with. The caller has the lock of the layer. @throws ClipctlError STORAGE_* */
export async function dropTransfer(cacheDir: string, transfer: Transfer): Promise<void> {
  await settleCommit(cacheDir, transfer);
  await removeTransfer(transfer.path);
}

/**
 * Before a transfer goes, or is gone on with: a record of its layer goes when that never got its name. And what has the name
 * without a record (one that a power loss took) gets one that vouches for nothing: the file stays ours, to be hashed before
 * anybody uses it. The caller has the lock of the layer.
 * @throws ClipctlError STORAGE_*
 */
export async function settleCommit(cacheDir: string, { hash, path }: Transfer): Promise<void> {
  const layer = await ownLayerIn(path);
  if (layer === undefined) return;
  const named = await layerStats(join(cacheDir, hash));
  if (named === undefined) await forget(cacheDir, hash, layer.ino);
  else if (isNamedTwice(layer, named)) await claim(cacheDir, hash);
}

/** As {@link dropTransfer}, of one that is under no lock and does not tell whose it is. @throws ClipctlError STORAGE_* */
export async function dropUnlocked(cacheDir: string, path: string): Promise<void> {
  const layer = await ownLayerIn(path);
  for (const hash of layer?.nlink === 1 ? await recordedLayers(cacheDir) : [])
    if ((await layerStats(join(cacheDir, hash))) === undefined) await forget(cacheDir, hash, layer?.ino);
  await removeTransfer(path);
}

interface Names {
  readonly dev: number;
  readonly ino: number;
  readonly nlink: number;
}

/** The layer of a transfer, which has its final name, and no name besides: others have not linked to it. */
export function isNamedTwice(layer: Names, named: Names): boolean {
  return named.nlink === 2 && named.dev === layer.dev && named.ino === layer.ino;
}

async function forget(cacheDir: string, hash: ContentHash, inode: number | undefined): Promise<void> {
  const record = await readLayerRecord(cacheDir, hash);
  if (record !== undefined && record.identity.inode === inode) await removeLayerRecord(cacheDir, hash);
}

async function claim(cacheDir: string, hash: ContentHash): Promise<void> {
  if (await hasLayerRecord(cacheDir, hash)) return;
  await writeLayerRecord(cacheDir, hash, { identity: WRONG, digestsSeen: [], committedAtMs: Date.now(), lastUseMs: 0 });
}
