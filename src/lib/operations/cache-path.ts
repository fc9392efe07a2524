/** `cache path`: where the disk cache is, and where in it the layers of an image stand. */
import { contentHashOf } from '../oci/digest.ts';
import { layersNamed } from './cache-names.ts';
import type { CachePathResult } from './cache-results.ts';
import type { Session } from './open-session.ts';

/** @param name an image or a digest; absent: the directory alone. @throws ClipctlError as its source does */
export async function cachePath(session: Session, name?: string): Promise<CachePathResult> {
  const diffIds = name === undefined ? [] : (await layersNamed(session, name)).diffIds;
  const layers: { diffId: (typeof diffIds)[number]; path: string; warm: boolean }[] = [];
  for (const diffId of diffIds) {
    const hash = contentHashOf(diffId);
    layers.push({ diffId, path: session.disk.layerPath(hash), warm: (await session.disk.checkLayer(hash)) === 'verified' });
  }
  return { path: session.disk.directory, layers, warnings: [] };
}
