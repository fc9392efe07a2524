/** `cache path`: where the disk cache is, and where in it the layers of an image stand. */
import { ClipctlError } from '../errors.ts';
import { contentHashOf, isDigest, type DiffId } from '../oci/digest.ts';
import { layersNamed } from './cache-names.ts';
import type { CachePathResult } from './cache-results.ts';
import type { Session } from './open-session.ts';

/** @param name an image or a digest; absent: the directory alone. @throws ClipctlError LAYER_NOT_FOUND for a digest that is not here, CACHE_VERSION, STORAGE_*; as its source does */
export async function cachePath(session: Session, name?: string): Promise<CachePathResult> {
  await session.disk.holdLayers([]);
  const named = name === undefined ? undefined : await layersNamed(session, name);
  const layers: { diffId: DiffId; path: string; warm: boolean }[] = [];
  for (const diffId of named?.diffIds ?? []) {
    const hash = contentHashOf(diffId);
    const state = await session.disk.checkLayer(hash);
    // What an image is made of is known without its layers; of a digest nothing else is.
    if (state === 'missing' && isDigest(named?.name ?? '')) throw notHere(diffId);
    layers.push({ diffId, path: session.disk.layerPath(hash), warm: state === 'verified' });
  }
  return { path: session.disk.directory, layers, warnings: [] };
}

function notHere(diffId: DiffId): ClipctlError {
  return new ClipctlError('LAYER_NOT_FOUND', `no layer ${diffId} is in the cache`, { hint: 'clipctl cache ls shows what is.' });
}
