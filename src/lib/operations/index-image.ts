/** `index`: one verified pass over each layer of an image, and a `.clip` for each platform. */
import type { ContentCache } from '../cache/content-cache.ts';
import { ClipctlError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { DEFAULT_CHECKPOINT_INTERVAL_BYTES } from '../compression/gzip/checkpoint-plan.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import { ingestLayer, type IngestedLayer } from '../pipeline/ingest-layer.ts';
import { keepKnownLayer, readKnownLayer } from '../pipeline/known-layers.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import type { ImageSource, ResolvedImage } from '../source/image-source.ts';
import { announceImages } from './announce-images.ts';
import { valuesOrThrow } from './failures.ts';
import { claimRoom } from './disk-room.ts';
import { composeIndex } from './compose-index.ts';
import type { IndexRequest } from './index-request.ts';
import { prepareTargets } from './index-targets.ts';
import { openOptionalRemotes, requireWritable } from './open-remotes.ts';
import { labelProblem } from './label-problem.ts';
import type { Session } from './open-session.ts';
import type { IndexedLayer, IndexedPlatform, IndexResult } from './results.ts';
import { remoteFailed, sendLayerToAll, type SendOutcome } from './send-layer.ts';
import { sizeOnDisk, withLayerLock } from './tiers.ts';
import { WorkBeside } from './work-beside.ts';
import { writeFileAtomically } from './write-file.ts';

interface IndexedOnce {
  readonly facts: LayerFacts;
  /** It was read before, for this image or another. */
  readonly isKnown: boolean;
  /** Set when there are remotes to fill. */
  readonly sent: SendOutcome | undefined;
}

/** @throws ClipctlError why the image, a layer or the output failed; no index file is written then */
export async function indexImage(session: Session, request: IndexRequest): Promise<IndexResult> {
  const startedAt = performance.now();
  const remotes = await openOptionalRemotes(session, request.to);
  await requireWritable(session, remotes, request.readOnly ?? []);
  // They take as long to start as the manifest takes to come.
  session.pool.startEarly(2);
  const { source, targets, storageRef } = await prepareTargets(session, request);
  const images = targets.map(({ image }) => image);
  announceLayers(session, request, images);
  const keep = request.warm || remotes.length > 0;
  if (keep) await makeReady(session, images);
  const keeping = new WorkBeside();
  const layers = await indexLayers(session, {
    source,
    images,
    remotes,
    ...{ keep, keeping },
    checkpointIntervalBytes: request.checkpointIntervalBytes ?? DEFAULT_CHECKPOINT_INTERVAL_BYTES,
  });
  const warnings: string[] = images.flatMap((image) => [...image.warnings, ...labelWarnings(image, layers)]);
  // All are composed before the first is written: one that is refused leaves no file of the others behind.
  const composed = targets.map(({ image, output }) => {
    const facts = image.layers.map((layer) => indexedOnce(layers, layer).facts);
    const index = composeIndex(image, facts, { storageRef, strict: request.strict, maxEntries: session.maxEntries });
    warnings.push(...index.warnings);
    return { image, output, ...index };
  });
  await keeping.done();
  const platforms: IndexedPlatform[] = [];
  for (const { image, output, pieces, entries } of composed) {
    await writeFileAtomically(output, pieces);
    platforms.push({
      platform: formatPlatform(image.platform),
      manifestDigest: image.manifestDigest,
      output,
      indexBytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
      entries,
      layers: image.layers.map((layer) => describeLayer(layer, indexedOnce(layers, layer), source)),
    });
  }
  for (const { sent } of layers.values())
    warnings.push(...(sent?.failures ?? []).map((failure) => remoteFailed(failure).message));
  return {
    image: request.image,
    durationMs: Math.round(performance.now() - startedAt),
    platforms,
    ...{ retries: session.retryCount(), ...session.memoryFigures() },
    warnings: [...new Set(warnings)],
  };
}

function announceLayers(session: Session, request: IndexRequest, images: readonly ResolvedImage[]): void {
  const named = images.map(({ platform, layers }) => ({ name: request.image, platform: formatPlatform(platform), layers }));
  announceImages(session, named, ({ digest }) => digest);
}

/** The disk cache, for the layers that will be kept in it. @throws ClipctlError STORAGE_FULL before a layer is asked for */
async function makeReady(session: Session, images: readonly ResolvedImage[]): Promise<void> {
  await session.disk.removeLeftovers(session.signal);
  const distinct = new Map(images.flatMap(({ layers }) => layers.map((layer) => [layer.diffId, { layer }] as const)));
  await claimRoom(session, [...distinct.values()]);
}

interface IndexLayersRequest {
  readonly source: ImageSource;
  readonly images: readonly ResolvedImage[];
  readonly remotes: readonly ContentCache[];
  readonly keep: boolean;
  readonly checkpointIntervalBytes: number;
  /** What is found is packed and written beside the next layer, and beside the composing. */
  readonly keeping: WorkBeside;
}

/** Takes each distinct layer of all platforms through its one pass. */
async function indexLayers(session: Session, request: IndexLayersRequest): Promise<Map<Digest, IndexedOnce>> {
  const distinct = new Map(request.images.flatMap((image) => image.layers.map((layer) => [layer.digest, layer] as const)));
  const layers = [...distinct.values()];
  const settled = await runLargestFirst(layers, {
    limit: session.options.jobs,
    sizeOf: ({ sizeBytes }) => sizeBytes,
    work: (layer, isLast) => indexLayer(session, request, { layer, isLast }),
  });
  // What other layers taught is kept, too, when one fails.
  if (settled.some(({ status }) => status === 'rejected')) await request.keeping.settled();
  const results = valuesOrThrow(settled, 'layers');
  await session.documents.keep();
  // Nothing is left for the workers to do, and the tree takes as much memory as they did.
  request.keeping.add(session.pool.close());
  return new Map(results.map((result) => [result.facts.digest, result]));
}

interface IndexTask {
  readonly layer: LayerDescriptor;
  readonly isLast: boolean;
}

async function indexLayer(session: Session, request: IndexLayersRequest, { layer, isLast }: IndexTask): Promise<IndexedOnce> {
  const { source, checkpointIntervalBytes } = request;
  const ingest = (keep: boolean): Promise<IngestedLayer> =>
    ingestLayer(session, { layer, source, scan: true, checkpointIntervalBytes, keep, isLast });
  const known = await knownLayer(session, request, layer);
  const facts = known ?? (await (request.keep ? keepLayer(session, layer, ingest) : ingest(false))).facts;
  const isKnown = known !== undefined;
  if (!isKnown) request.keeping.add(keepKnownLayer(session.options, facts, checkpointIntervalBytes));
  const { digest, diffId, uncompressedBytes: sizeBytes } = facts;
  if (request.remotes.length === 0) return { facts, isKnown, sent: undefined };
  return { facts, isKnown, sent: await sendLayerToAll(session, request.remotes, { digest, diffId, sizeBytes }) };
}

/** What an earlier pass found; `undefined` when the layer itself has to be brought. */
async function knownLayer(
  session: Session,
  { keep, checkpointIntervalBytes }: IndexLayersRequest,
  layer: LayerDescriptor,
): Promise<LayerFacts | undefined> {
  await session.disk.holdLayers([]);
  const known = await readKnownLayer(session.options.cacheDir, { layer, checkpointIntervalBytes });
  if (known === undefined || (keep && (await sizeOnDisk(session, layer)) === undefined)) return undefined;
  session.onProgress({ type: 'layer-skip', layer: layer.digest, reason: 'indexed before' });
  return known;
}

/** What stands verified on disk is not written again; it is still read once, for its entries and offsets. */
async function keepLayer(
  session: Session,
  layer: LayerDescriptor,
  ingest: (keep: boolean) => Promise<IngestedLayer>,
): Promise<IngestedLayer> {
  const isMissing = async (): Promise<boolean> => (await sizeOnDisk(session, layer)) === undefined;
  const keep = async (): Promise<IngestedLayer | undefined> => ((await isMissing()) ? ingest(true) : undefined);
  const kept = (await isMissing()) ? await withLayerLock(session, layer, keep) : undefined;
  return kept ?? ingest(false);
}

function labelWarnings({ layers: listed }: ResolvedImage, layers: ReadonlyMap<Digest, IndexedOnce>): readonly string[] {
  return listed.flatMap((layer) => {
    const problem = labelProblem(layer, indexedOnce(layers, layer).facts);
    return problem === undefined ? [] : [`layer ${layer.digest}: ${problem}`];
  });
}

function indexedOnce(layers: ReadonlyMap<Digest, IndexedOnce>, { digest }: LayerDescriptor): IndexedOnce {
  const found = layers.get(digest);
  if (found === undefined) throw new ClipctlError('INTERNAL', `layer ${digest} was not indexed`);
  return found;
}

function describeLayer(layer: LayerDescriptor, { facts, isKnown, sent }: IndexedOnce, source: ImageSource): IndexedLayer {
  return {
    digest: layer.digest,
    diffId: layer.diffId,
    mediaType: layer.mediaType,
    compressedBytes: facts.compressedBytes,
    uncompressedBytes: facts.uncompressedBytes,
    entries: facts.entries.length,
    checkpoints: facts.checkpoints.length,
    decoder: facts.decoder,
    verifiedBy: facts.verifiedBy,
    ...(facts.resumedBytes === 0 ? {} : { resumedBytes: facts.resumedBytes }),
    source: isKnown ? 'layer-index' : source.kind,
    ...(sent === undefined ? {} : { stored: sent.stored }),
  };
}
