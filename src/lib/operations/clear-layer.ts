/**
 * Taking a layer that was found wrong out of the way. A verdict may be minutes old when it is acted on, and another process
 * may have mended the layer meanwhile; so it is looked at again, under its lock.
 */
import { layerStats } from '../cache/disk/layer-file.ts';
import { hasLayerRecord } from '../cache/disk/layer-record.ts';
import { notRegular } from '../cache/regular-file.ts';
import { contentHashOf, type ContentHash, type DiffId } from '../oci/digest.ts';
import { hashedVerdict } from './judge-layer.ts';
import type { Session } from './open-session.ts';
import { tellWaiting } from './tiers.ts';

/** `good`: another process has mended it. `foreign`: wrong, and not ours to take away. */
export type Cleared = 'good' | 'gone' | 'foreign';

/** @throws ClipctlError STORAGE_* (what stands there can't be removed), LOCK_TIMEOUT; the signal's reason */
export function clearLayer(session: Session, diffId: DiffId): Promise<Cleared> {
  const { disk, signal } = session;
  const hash = contentHashOf(diffId);
  return disk.withLayerLock(hash, { signal, onWait: tellWaiting(session, diffId) }, async () => {
    if (await isGood(session, hash)) return 'good';
    if (await isForeign(session, hash)) return 'foreign';
    await disk.dropLayer(hash);
    return 'gone';
  });
}

/** A record that fits does not do: where the disk is full, that a layer is wrong could not be noted. */
async function isGood(session: Session, hash: ContentHash): Promise<boolean> {
  const state = await session.disk.checkLayer(hash);
  return state !== 'missing' && state !== 'bad' && (await hashedVerdict(session, hash)) === 'ok';
}

async function isForeign({ disk }: Session, hash: ContentHash): Promise<boolean> {
  const path = disk.layerPath(hash);
  const stats = await layerStats(path);
  if (stats === undefined || (await hasLayerRecord(disk.directory, hash))) return false;
  if (stats.isDirectory()) throw notRegular(path);
  return true;
}
