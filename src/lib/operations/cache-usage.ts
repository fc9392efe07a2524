/** `cache du` and `cache ls`: what takes the space, and for which images. Reads no layer. */
import { readImageRecords, type StoredImageRecord } from '../cache/disk/image-records.ts';
import { pinnedLayers } from '../cache/disk/pins.ts';
import { readLeases } from '../cache/disk/read-leases.ts';
import type { SpaceLimits } from '../cache/disk/space-limits.ts';
import { surveyCache, type CacheSurvey, type SurveyedLayer } from '../cache/disk/survey.ts';
import { contentHashOf, digestOfHash, type ContentHash } from '../oci/digest.ts';
import { imagesByLayer, namesOf } from './cache-names.ts';
import type { CacheLimits, CacheListResult, CacheUsageResult, ImageUsage, ListedLayer } from './cache-results.ts';
import type { Session } from './open-session.ts';
import { stateWarnings } from './state-warnings.ts';

/** @throws ClipctlError STORAGE_*, CACHE_VERSION */
export async function cacheUsage(session: Session): Promise<CacheUsageResult> {
  const { path, survey, images, pinned, warnings } = await look(session);
  const users = imagesByLayer(images);
  const own = survey.layers.filter((layer) => layer.state !== 'foreign');
  const unnamed = own.filter(({ hash }) => !users.has(hash));
  return {
    path,
    totalBytes: survey.totalBytes,
    ownBytes: survey.ownBytes,
    layers: { count: own.length, diskBytes: sumOf(own) },
    ingestBytes: survey.ingestBytes,
    stateBytes: survey.stateBytes,
    foreign: survey.foreign,
    unnamed: { layers: unnamed.length, diskBytes: sumOf(unnamed) },
    ...describeLimits(await session.disk.room.limits()),
    images: images
      .map((image) => usageOf(image, { layers: survey.layers, users, pinned }))
      .sort((one, other) => other.diskBytes - one.diskBytes),
    warnings,
  };
}

interface Known {
  readonly layers: readonly SurveyedLayer[];
  readonly users: ReadonlyMap<ContentHash, readonly StoredImageRecord[]>;
  readonly pinned: ReadonlySet<ContentHash>;
}

function usageOf({ image, platform, layers, lastUseMs }: StoredImageRecord, known: Known): ImageUsage {
  const hashes = new Set(layers.map(({ diffId }) => contentHashOf(diffId)));
  const present = known.layers.filter(({ hash }) => hashes.has(hash));
  return {
    image,
    platform,
    layers: hashes.size,
    warmLayers: present.filter(({ state }) => state === 'verified').length,
    diskBytes: sumOf(present),
    uniqueBytes: sumOf(present.filter(({ hash }) => known.users.get(hash)?.length === 1)),
    lastUsed: new Date(lastUseMs).toISOString(),
    pinned: hashes.size > 0 && [...hashes].every((hash) => known.pinned.has(hash)),
  };
}

/** All layers, the last used first. @throws ClipctlError STORAGE_*, CACHE_VERSION */
export async function listCache(session: Session): Promise<CacheListResult> {
  const { path, survey, images, pinned, warnings } = await look(session);
  const leased = await readLeases(path);
  const users = imagesByLayer(images);
  const about = (hash: ContentHash): Pick<ListedLayer, 'diffId' | 'images' | 'pinned' | 'leased'> => ({
    diffId: digestOfHash(hash),
    images: namesOf(users.get(hash)),
    pinned: pinned.has(hash),
    leased: leased.has(hash),
  });
  const nothing = { uncompressedBytes: 0, diskBytes: 0, digests: [] };
  const layers: ListedLayer[] = [...survey.layers].sort(byLastUse).map((layer) => ({
    ...about(layer.hash),
    state: stateOf(layer),
    uncompressedBytes: layer.sizeBytes,
    diskBytes: layer.diskBytes,
    ...(layer.lastUseMs === 0 ? {} : { lastUsed: new Date(layer.lastUseMs).toISOString() }),
    digests: layer.digestsSeen.map(({ digest }) => digest),
  }));
  layers.push(...survey.odd.map((hash): ListedLayer => ({ ...about(hash), ...nothing, state: 'bad' })));
  layers.push(...survey.missing.map((hash): ListedLayer => ({ ...about(hash), ...nothing, state: 'missing' })));
  return { path, layers, warnings };
}

function stateOf({ state, isReadable }: SurveyedLayer): ListedLayer['state'] {
  if (!isReadable) return 'bad';
  return state === 'verified' ? 'verified' : 'unverified';
}

function byLastUse(one: SurveyedLayer, other: SurveyedLayer): number {
  return other.lastUseMs - one.lastUseMs || (one.hash < other.hash ? -1 : 1);
}

interface CacheLook {
  readonly path: string;
  readonly survey: CacheSurvey;
  readonly images: readonly StoredImageRecord[];
  readonly pinned: ReadonlySet<ContentHash>;
  readonly warnings: readonly string[];
}

async function look(session: Session): Promise<CacheLook> {
  const { cacheDir: path } = session.options;
  await session.disk.holdLayers([]);
  const survey = await surveyCache(path, session);
  const warnings = [...warningsOf(survey), ...(await stateWarnings(path))];
  return { path, survey, images: await readImageRecords(path), pinned: await pinnedLayers(path), warnings };
}

function warningsOf({ layers, missing, odd }: CacheSurvey): string[] {
  const wrong = missing.length + odd.length + layers.filter(({ isReadable }) => !isReadable).length;
  return wrong === 0 ? [] : [`${wrong} of the layers are missing or no files that can be read: run clipctl cache verify`];
}

/** As documents say it: what there is no limit to is left out. */
export function describeLimits({ maxCacheBytes, minFreeBytes, freeBytes }: SpaceLimits): CacheLimits {
  return {
    ...(Number.isFinite(maxCacheBytes) ? { maxCacheBytes } : {}),
    minFreeBytes,
    ...(freeBytes === undefined ? {} : { freeBytes }),
  };
}

function sumOf(layers: readonly SurveyedLayer[]): number {
  return layers.reduce((sum, layer) => sum + layer.diskBytes, 0);
}
