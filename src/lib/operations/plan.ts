/** `--dry-run`: which tier would serve each layer and where it would be sent. Asks, and neither writes nor fetches a blob. */
import type { ContentCache } from '../cache/content-cache.ts';
import { findInTiers } from '../cache/tiered.ts';
import { errorCodeOf } from '../errors.ts';
import { contentHashOf, type DiffId } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { DEFAULT_CHECKPOINT_INTERVAL_BYTES } from '../compression/gzip/checkpoint-plan.ts';
import { readKnownLayer } from '../pipeline/known-layers.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { combineFailures, valuesOrThrow } from './failures.ts';
import { distinctLayers, platformOf, type LayerOfImage } from './image-layers.ts';
import type { IndexRequest } from './index-request.ts';
import { prepareTargets } from './index-targets.ts';
import type { OpenedImage } from './open-image.ts';
import { openImages, type OpenImagesRequest } from './open-images.ts';
import { openOptionalRemotes } from './open-remotes.ts';
import { remoteHolds } from './remote-holds.ts';
import type { Session } from './open-session.ts';
import type { PushRequest } from './push-cache.ts';
import type { PlannedLayer, PlanResult, Tier } from './results.ts';
import type { WarmRequest } from './warm.ts';

/** @throws ClipctlError as the command itself would before it moves anything */
export async function planWarm(session: Session, request: WarmRequest): Promise<PlanResult> {
  const [from, to] = await Promise.all([openOptionalRemotes(session, request.from), openOptionalRemotes(session, request.to)]);
  return plan(session, await openOrThrow(session, request), { from, to });
}

/** @throws ClipctlError as the command itself would before it moves anything */
export async function planPush(session: Session, request: PushRequest): Promise<PlanResult> {
  const to = await openOptionalRemotes(session, request.to);
  return plan(session, await openOrThrow(session, request), { from: [], to });
}

/** `index` reads every layer whose index is not known from its source, warm or not. @throws ClipctlError as the command itself would */
export async function planIndex(session: Session, request: IndexRequest): Promise<PlanResult> {
  const to = await openOptionalRemotes(session, request.to);
  const { source, targets } = await prepareTargets(session, request);
  const images = targets.map(({ image }): OpenedImage => {
    const { layers, warnings } = image;
    return { name: request.image, layers, warnings, source: () => source, mapOf: () => undefined, resolved: image };
  });
  const keep = request.warm || to.length > 0;
  const { checkpointIntervalBytes = DEFAULT_CHECKPOINT_INTERVAL_BYTES } = request;
  const isKnown = async (layer: LayerDescriptor, isOnDisk: boolean): Promise<boolean> =>
    (isOnDisk || !keep) && (await readKnownLayer(session.options.cacheDir, { layer, checkpointIntervalBytes })) !== undefined;
  return plan(session, images, { from: [], to, isKnown });
}

async function openOrThrow(session: Session, request: OpenImagesRequest): Promise<readonly OpenedImage[]> {
  const { images, failures } = await openImages(session, request);
  if (failures.length > 0) throw combineFailures(failures, 'images');
  return images;
}

interface PlanOptions {
  readonly from: readonly ContentCache[];
  readonly to: readonly ContentCache[];
  /** Of an `index`: need not be read. A layer that is not known is read from the source, be it warm or not. */
  readonly isKnown?: (layer: LayerDescriptor, isOnDisk: boolean) => Promise<boolean>;
}

interface Found {
  readonly tier: Tier;
  readonly sizeBytes: number | undefined;
  readonly sendTo: readonly string[];
}

async function plan(session: Session, images: readonly OpenedImage[], options: PlanOptions): Promise<PlanResult> {
  const distinct = distinctLayers(images);
  const warnings = new Set(images.flatMap((image) => image.warnings));
  const settled = await runLimited(distinct, session.options.jobs * 4, async ({ layer, image }) => {
    const found = await findLayer(session, layer, { image, options, warnings });
    return [layer.diffId, found] as const;
  });
  const found = new Map(valuesOrThrow(settled, 'layers'));
  return {
    dryRun: true,
    images: images.map((image) => ({
      image: image.name,
      platform: platformOf(image),
      layers: image.layers.map((layer) => planned(layer, found)),
    })),
    tiers: sumTiers(distinct, found),
    sends: sumSends(found),
    warnings: [...warnings],
  };
}

async function findLayer(
  session: Session,
  layer: LayerDescriptor,
  { image, options, warnings }: { image: OpenedImage; options: PlanOptions; warnings: Set<string> },
): Promise<Found> {
  const { disk, signal } = session;
  const hash = contentHashOf(layer.diffId);
  const { hit, failures } = await findInTiers(hash, { disk, remotes: options.from, signal });
  const sendTo: string[] = [];
  for (const remote of options.to) if (!(await remoteHolds(remote, hash, { signal, warnings }))) sendTo.push(remote.url);
  for (const { url, error } of failures) warnings.add(`remote cache ${url} did not answer: ${errorCodeOf(error)}`);
  if (await options.isKnown?.(layer, hit !== undefined)) return { tier: 'layer-index', sizeBytes: hit?.sizeBytes, sendTo };
  if (hit === undefined || options.isKnown !== undefined) return { tier: image.source().kind, sizeBytes: hit?.sizeBytes, sendTo };
  return { tier: hit.tier, sizeBytes: hit.sizeBytes, sendTo };
}

function planned(layer: LayerDescriptor, found: ReadonlyMap<DiffId, Found>): PlannedLayer {
  const { tier, sendTo } = found.get(layer.diffId) ?? { tier: 'disk' as const, sendTo: [] };
  return { digest: layer.digest, diffId: layer.diffId, compressedBytes: layer.sizeBytes, tier, sendTo };
}

/** Bytes as they would move: compressed from a registry, decompressed from disk or a remote. One request a layer, none for local tiers. */
function sumTiers(distinct: readonly LayerOfImage[], found: ReadonlyMap<DiffId, Found>): PlanResult['tiers'] {
  const tiers: Partial<Record<Tier, { layers: number; bytes: number; requests: number }>> = {};
  for (const { layer } of distinct) {
    const at = found.get(layer.diffId);
    if (at === undefined) continue;
    const sum = (tiers[at.tier] ??= { layers: 0, bytes: 0, requests: 0 });
    sum.layers++;
    if (at.tier === 'layer-index') continue;
    sum.bytes += at.tier === 'disk' || at.tier === 'remote' ? (at.sizeBytes ?? 0) : layer.sizeBytes;
    sum.requests += at.tier === 'registry' || at.tier === 'remote' ? 1 : 0;
  }
  return tiers;
}

function sumSends(found: ReadonlyMap<DiffId, Found>): PlanResult['sends'] {
  const sends: Record<string, { layers: number; bytes?: number }> = {};
  for (const { sendTo, sizeBytes } of found.values()) {
    for (const url of sendTo) {
      const before = sends[url];
      // One unknown size makes the sum unknown: a number that is too small would be no plan.
      const bytes =
        sizeBytes === undefined || (before !== undefined && before.bytes === undefined)
          ? undefined
          : (before?.bytes ?? 0) + sizeBytes;
      sends[url] = { layers: (before?.layers ?? 0) + 1, ...(bytes === undefined ? {} : { bytes }) };
    }
  }
  return sends;
}
