/** `cache pin` and `cache unpin`: images and digests whose layers no eviction takes. */
import { readPins, removePin, writePin } from '../cache/disk/pins.ts';
import { ClipctlError } from '../errors.ts';
import { contentHashOf, isDigest } from '../oci/digest.ts';
import { layersNamed } from './cache-names.ts';
import type { CachePinsResult } from './cache-results.ts';
import { durableName } from './durable-name.ts';
import type { Session } from './open-session.ts';

/** @throws ClipctlError what an image says that was never warmed here; STORAGE_* */
export async function pinLayers(session: Session, name: string): Promise<CachePinsResult> {
  const named = await layersNamed(session, name);
  // Before the pin stands an eviction may take one of them: the lease is there first.
  await session.disk.holdLayers(named.diffIds.map(contentHashOf));
  await writePin(session.options.cacheDir, named);
  const states = await Promise.all(named.diffIds.map((diffId) => session.disk.checkLayer(contentHashOf(diffId))));
  const cold = states.filter((state) => state !== 'verified').length;
  const warnings = cold === 0 ? [] : [`${cold} of ${states.length} layers are not warm: clipctl warm ${name}`];
  return { pins: await readPins(session.options.cacheDir), warnings };
}

/** @throws ClipctlError LAYER_NOT_FOUND when there is no such pin; STORAGE_* */
export async function unpinLayers(session: Session, name: string): Promise<CachePinsResult> {
  const { cacheDir } = session.options;
  await session.disk.holdLayers([]);
  const kept = /^[0-9a-f]{64}$/.test(name) ? `sha256:${name}` : name;
  if (!(await removePin(cacheDir, isDigest(kept) ? kept : durableName(kept)))) {
    throw new ClipctlError('LAYER_NOT_FOUND', `${name} is not pinned`, { hint: 'clipctl cache ls shows what is.' });
  }
  return { pins: await readPins(cacheDir), warnings: [] };
}
