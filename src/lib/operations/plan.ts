/** `--dry-run`: which tier would serve each layer and where it would be sent. Asks, and neither writes nor fetches a blob. */
import type { ContentCache } from '../cache/content-cache.ts';
import { errorCodeOf, isAbort } from '../errors.ts';
import { contentHashOf, type DiffId, type Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { valuesOrThrow } from './failures.ts';
import { resolvePlatforms, type IndexRequest } from './index-image.ts';
import { openImage, openOnlineSource, type OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';
import type { PlannedLayer, PlanResult, Tier } from './results.ts';
import type { PushRequest } from './push-cache.ts';
import { openAll, platformOf, selectLayers, type WarmRequest } from './warm.ts';

/** @throws ClipctlError as the command itself would before it moves anything */
export async function planWarm(session: Session, request: WarmRequest): Promise<PlanResult> {
  const images = await openImages(session, request);
  const [from, to] = await Promise.all([openAll(session, request.from), openAll(session, request.to)]);
  return plan(
    session,
    images.map((image) => selectLayers(image, request.layers)),
    { from, to, rereads: false },
  );
}

/** @throws ClipctlError as the command itself would before it moves anything */
export async function planPush(session: Session, request: PushRequest): Promise<PlanResult> {
  const to = await openAll(session, request.to);
  return plan(session, await openImages(session, request), { from: [], to, rereads: false });
}

/** `index` reads every layer from its source, warm or not. @throws ClipctlError as the command itself would */
export async function planIndex(session: Session, request: IndexRequest): Promise<PlanResult> {
  const to = await openAll(session, request.to);
  const source = openOnlineSource(session, request.image);
  const resolved = await resolvePlatforms(session, source, request);
  const images = resolved.map((image): OpenedImage => ({
    name: request.image,
    layers: image.layers,
    source: () => source,
    warnings: image.warnings,
    mapOf: () => undefined,
    resolved: image,
  }));
  return plan(session, images, { from: [], to, rereads: true });
}

interface PlanOptions {
  readonly from: readonly ContentCache[];
  readonly to: readonly ContentCache[];
  /** Every layer is read from the source, whatever is warm. */
  readonly rereads: boolean;
}

interface Found {
  readonly tier: Tier;
  readonly sizeBytes: number | undefined;
  readonly sendTo: readonly string[];
}

async function plan(session: Session, images: readonly OpenedImage[], options: PlanOptions): Promise<PlanResult> {
  const distinct = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.diffId, { layer, image }] as const)));
  const warnings = new Set(images.flatMap((image) => image.warnings));
  const settled = await runLimited([...distinct.values()], session.options.jobs * 4, async ({ layer, image }) => {
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
    tiers: sumTiers(
      [...distinct.values()].map(({ layer }) => layer),
      found,
    ),
    sends: sumSends(found),
    warnings: [...warnings],
  };
}

async function findLayer(
  session: Session,
  layer: LayerDescriptor,
  { image, options, warnings }: { image: OpenedImage; options: PlanOptions; warnings: Set<string> },
): Promise<Found> {
  const hash = contentHashOf(layer.diffId);
  const has = async (cache: ContentCache): Promise<number | undefined> => {
    try {
      return (await cache.contentExists(hash, { signal: session.signal }))?.sizeBytes;
    } catch (error) {
      if (isAbort(error)) throw error;
      warnings.add(`remote cache ${cache.url} did not answer: ${errorCodeOf(error)}`);
      return undefined;
    }
  };
  const onDisk = (await session.disk.contentExists(hash, { signal: session.signal }))?.sizeBytes;
  const sendTo: string[] = [];
  for (const remote of options.to) if ((await has(remote)) === undefined) sendTo.push(remote.url);
  if (onDisk !== undefined && !options.rereads) return { tier: 'disk', sizeBytes: onDisk, sendTo };
  for (const remote of options.from) {
    const sizeBytes = await has(remote);
    if (sizeBytes !== undefined) return { tier: 'remote', sizeBytes, sendTo };
  }
  return { tier: image.source().kind, sizeBytes: onDisk, sendTo };
}

async function openImages(session: Session, request: WarmRequest | PushRequest): Promise<OpenedImage[]> {
  const options = request.platform === undefined ? {} : { platform: request.platform };
  return valuesOrThrow(
    await runLimited(request.images, session.options.jobs, (name) => openImage(session, name, options)),
    'images',
  );
}

function planned(layer: LayerDescriptor, found: ReadonlyMap<DiffId, Found>): PlannedLayer {
  const { tier, sendTo } = found.get(layer.diffId) ?? { tier: 'disk' as const, sendTo: [] };
  return { digest: layer.digest, diffId: layer.diffId, compressedBytes: layer.sizeBytes, tier, sendTo };
}

/** Bytes as they would move: compressed from a registry, decompressed from disk or a remote. One request a layer, none for local tiers. */
function sumTiers(layers: readonly LayerDescriptor[], found: ReadonlyMap<DiffId, Found>): PlanResult['tiers'] {
  const tiers: Partial<Record<Tier, { layers: number; bytes: number; requests: number }>> = {};
  const seen = new Set<Digest>();
  for (const layer of layers) {
    const at = found.get(layer.diffId);
    if (at === undefined || seen.has(layer.diffId)) continue;
    seen.add(layer.diffId);
    const sum = (tiers[at.tier] ??= { layers: 0, bytes: 0, requests: 0 });
    sum.layers++;
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
