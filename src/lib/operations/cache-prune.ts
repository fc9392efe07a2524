/** `cache prune`: evicts down to a budget, the least recently used first. The plan comes before any deletion. */
import type { PrunePlan } from '../cache/disk/cache-room.ts';
import type { KeepReason } from '../cache/disk/eviction-plan.ts';
import { readImageRecords, removeImageRecord } from '../cache/disk/image-records.ts';
import { surveyCache, type SurveyedLayer } from '../cache/disk/survey.ts';
import { contentHashOf, digestOfHash, type ContentHash } from '../oci/digest.ts';
import { imagesByLayer, layersNamed, namesOf } from './cache-names.ts';
import type { PrunedLayer, PruneResult } from './cache-results.ts';
import { describeLimits } from './cache-usage.ts';
import type { Session } from './open-session.ts';
import { stateWarnings } from './state-warnings.ts';

export interface PruneRequest {
  /** Own bytes that may stay. Default: the limit of the cache. */
  readonly maxCacheBytes?: number;
  /** Space to leave free. Default: the limit of the cache. */
  readonly minFreeBytes?: number;
  /** Layers not used for so long go too. */
  readonly maxAgeMs?: number;
  /** Images and digests that stay. */
  readonly keep: readonly string[];
}

export interface PreparedPrune {
  /** What would be done. */
  readonly plan: PruneResult;
  /** Does it. @throws ClipctlError STORAGE_* */
  readonly run: () => Promise<PruneResult>;
}

/** @throws ClipctlError STORAGE_*, CACHE_VERSION; what an image to keep says that was never warmed here */
export async function preparePrune(session: Session, { keep: names, ...limits }: PruneRequest): Promise<PreparedPrune> {
  await session.disk.holdLayers([]);
  const keep = new Set<ContentHash>();
  for (const name of names) for (const diffId of (await layersNamed(session, name)).diffIds) keep.add(contentHashOf(diffId));
  const plan = await session.disk.room.planPrune({ ...limits, keep, signal: session.signal });
  return {
    plan: await describe(session, plan, { dryRun: true, evicted: plan.victims, ownBytes: plan.survey.ownBytes }),
    run: async () => {
      const evicted = await session.disk.room.prune(plan);
      const after = await surveyCache(session.options.cacheDir, session);
      const result = await describe(session, plan, { dryRun: false, evicted, ownBytes: after.ownBytes });
      await forgetImages(session, new Set(after.layers.map(({ hash }) => hash)));
      return result;
    },
  };
}

interface Outcome {
  readonly dryRun: boolean;
  readonly evicted: readonly SurveyedLayer[];
  readonly ownBytes: number;
}

async function describe(session: Session, plan: PrunePlan, { dryRun, evicted, ownBytes }: Outcome): Promise<PruneResult> {
  const { cacheDir: path } = session.options;
  const users = imagesByLayer(await readImageRecords(path));
  const pruned = (layer: SurveyedLayer): PrunedLayer => ({
    diffId: digestOfHash(layer.hash),
    diskBytes: layer.diskBytes,
    ...(layer.lastUseMs === 0 ? {} : { lastUsed: new Date(layer.lastUseMs).toISOString() }),
    images: namesOf(users.get(layer.hash)),
  });
  const freedBytes = evicted.reduce((sum, layer) => sum + layer.diskBytes, 0);
  const shortBytes = Math.max(0, plan.shortBytes + plan.freedBytes - freedBytes);
  return {
    path,
    dryRun,
    ownBytes,
    evicted: evicted.map(pruned),
    freedBytes,
    kept: plan.kept.map(({ layer, reason }) => ({ ...pruned(layer), reason })),
    shortBytes,
    ...describeLimits(plan.limits),
    warnings: [...(shortBytes === 0 ? [] : [shortOf(shortBytes, plan)]), ...(await stateWarnings(path))],
  };
}

const REASONS: Readonly<Record<KeepReason, string>> = {
  leased: 'read or warmed by a running process',
  open: 'open in a process or mounted',
  pinned: 'pinned',
  kept: 'to be kept',
  recent: 'used within the last 10 minutes',
};

function shortOf(shortBytes: number, { kept }: PrunePlan): string {
  const reasons = [...new Set(kept.map(({ reason }) => REASONS[reason]))];
  const why = reasons.length === 0 ? 'nothing else can be evicted' : `the rest is ${reasons.join(' or ')}`;
  return `${shortBytes} bytes above the budget: ${why}`;
}

/** Of an image without a layer on disk there is nothing to say any more. */
async function forgetImages(session: Session, present: ReadonlySet<ContentHash>): Promise<void> {
  const { cacheDir } = session.options;
  for (const record of await readImageRecords(cacheDir)) {
    if (record.layers.some(({ diffId }) => present.has(contentHashOf(diffId)))) continue;
    await removeImageRecord(cacheDir, record);
  }
}
