/** `index`: one verified pass over each layer of an image, and a `.clip` for each platform. */
import type { ContentCache } from '../cache/content-cache.ts';
import { composeClip } from '../clip/compose.ts';
import { encodeClip } from '../clip/encode-clip.ts';
import { ClipctlError } from '../errors.ts';
import type { MergedTree } from '../layer-index/entry.ts';
import { mergeLayers } from '../layer-index/merge.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import { ingestLayer } from '../pipeline/ingest-layer.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import type { ImageSource, ResolvedImage } from '../source/image-source.ts';
import { textOf } from '../byte-string.ts';
import { announceImages } from './announce-images.ts';
import { valuesOrThrow } from './failures.ts';
import { outputPath } from './index-output.ts';
import { isClipName, openOnlineSource } from './open-image.ts';
import type { Session } from './open-session.ts';
import { parseStorageRef, type StorageRef } from './storage-ref.ts';
import type { IndexedLayer, IndexedPlatform, IndexResult } from './results.ts';
import { remoteFailed, sendLayerToAll, type SendOutcome } from './send-layer.ts';
import { sizeOnDisk } from './tiers.ts';
import { openAll } from './warm.ts';
import { requireWritablePlace, writeFileAtomically } from './write-file.ts';

export interface IndexRequest {
  readonly image: string;
  /** Where the `.clip` goes; default: named after the image, in the working directory. */
  readonly output?: string;
  /** Empty = the default one. */
  readonly platforms: readonly Platform[];
  readonly allPlatforms: boolean;
  /** The registry reference that a reader of the index fetches layers from. */
  readonly storageRef?: string;
  /** Keep the layers in the disk cache. */
  readonly warm: boolean;
  /** Remotes to fill out of the same pass; the layers are kept on disk then, from where they are sent. */
  readonly to: readonly string[];
  /** Refuse an image whose layers say something odd, instead of warning. */
  readonly strict: boolean;
}

interface IndexedOnce {
  readonly facts: LayerFacts;
  /** Set when there are remotes to fill. */
  readonly sent: SendOutcome | undefined;
}

/** @throws ClipctlError why the image, a layer or the output failed; no index file is written then */
export async function indexImage(session: Session, request: IndexRequest): Promise<IndexResult> {
  const startedAt = performance.now();
  if (isClipName(request.image)) throw new ClipctlError('USAGE', `${request.image} is an index already; name an image`);
  const storageRef = request.storageRef === undefined ? undefined : parseStorageRef(request.storageRef);
  const remotes = await openAll(session, request.to);
  const source = openOnlineSource(session, request.image);
  const images = await resolvePlatforms(session, source, request);
  for (const image of images) await requireWritablePlace(outputPath(request, image, images.length > 1));
  announceImages(
    session,
    images.map(({ platform, layers }) => ({ name: request.image, platform: formatPlatform(platform), layers })),
  );
  const layers = await indexLayers(session, { source, images, remotes, keep: request.warm || remotes.length > 0 });
  const warnings: string[] = images.flatMap((image) => image.warnings);
  const prepared = images.map((image) =>
    prepareIndex(image, layers, { storageRef, strict: request.strict, warnings, maxEntries: session.maxEntries }),
  );
  const platforms: IndexedPlatform[] = [];
  for (const { image, bytes, entries } of prepared) {
    const output = outputPath(request, image, images.length > 1);
    await writeFileAtomically(output, bytes);
    platforms.push({
      platform: formatPlatform(image.platform),
      manifestDigest: image.manifestDigest,
      output,
      indexBytes: bytes.length,
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
    ...session.memoryFigures(),
    warnings: [...new Set(warnings)],
  };
}

/** The images to index: one for each platform asked for, each manifest once. */
export async function resolvePlatforms(session: Session, source: ImageSource, request: IndexRequest): Promise<ResolvedImage[]> {
  const { signal } = session;
  const wanted = request.allPlatforms
    ? (await source.listPlatforms({ signal })).map((found) => found.platform)
    : request.platforms;
  if (wanted.length === 0) return [await source.resolve({ signal })];
  const images = new Map<Digest, ResolvedImage>();
  for (const platform of wanted) {
    const image = await source.resolve({ signal, platform });
    images.set(image.manifestDigest, image);
  }
  return [...images.values()];
}

interface IndexLayersRequest {
  readonly source: ImageSource;
  readonly images: readonly ResolvedImage[];
  readonly remotes: readonly ContentCache[];
  readonly keep: boolean;
}

/** Takes each distinct layer of all platforms through its one pass. */
async function indexLayers(session: Session, request: IndexLayersRequest): Promise<Map<Digest, IndexedOnce>> {
  const distinct = new Map(request.images.flatMap((image) => image.layers.map((layer) => [layer.digest, layer] as const)));
  const layers = [...distinct.values()];
  const settled = await runLimited(layers, session.options.jobs, (layer, at) =>
    indexLayer(session, request, { layer, isLast: at === layers.length - 1 }),
  );
  const results = valuesOrThrow(settled, 'layers');
  return new Map(results.map((result) => [result.facts.digest, result]));
}

interface IndexTask {
  readonly layer: LayerDescriptor;
  readonly isLast: boolean;
}

async function indexLayer(session: Session, request: IndexLayersRequest, { layer, isLast }: IndexTask): Promise<IndexedOnce> {
  // What stands verified on disk is not written again; it is still read once, for its entries and offsets.
  const keep = request.keep && (await sizeOnDisk(session, layer)) === undefined;
  const { facts } = await ingestLayer(session, { layer, source: request.source, scan: true, keep, isLast });
  const { digest, diffId, uncompressedBytes: sizeBytes } = facts;
  if (request.remotes.length === 0) return { facts, sent: undefined };
  return { facts, sent: await sendLayerToAll(session, request.remotes, { digest, diffId, sizeBytes }) };
}

interface PrepareOptions {
  readonly maxEntries: number;
  readonly storageRef: StorageRef | undefined;
  readonly strict: boolean;
  readonly warnings: string[];
}

function prepareIndex(
  image: ResolvedImage,
  layers: ReadonlyMap<Digest, IndexedOnce>,
  options: PrepareOptions,
): { image: ResolvedImage; bytes: Uint8Array; entries: number } {
  const facts = image.layers.map((layer) => indexedOnce(layers, layer).facts);
  const { created } = image.config;
  const tree = mergeLayers(
    facts.map(({ digest, entries }) => ({ digest, entries })),
    { maxEntries: options.maxEntries, ...(created !== undefined && { created }) },
  );
  const odd = describeWarnings(tree);
  if (options.strict && odd.length > 0) {
    const more = odd.length > 1 ? ` (and ${odd.length - 1} more)` : '';
    throw new ClipctlError('STRICT_REFUSED', `refused by --strict: ${odd[0] ?? ''}${more}`);
  }
  options.warnings.push(...odd);
  const origin = options.storageRef ?? image.origin;
  const clip = composeClip({ tree, image, layers: facts, ...(origin === undefined ? {} : { origin }) });
  return { image, bytes: encodeClip(clip), entries: tree.entries.length };
}

function describeWarnings({ warnings, omittedWarnings = 0 }: MergedTree): string[] {
  const odd = warnings.map(({ code, path, layer, message }) => `${code} ${textOf(path)} in layer ${layer}: ${message}`);
  return omittedWarnings > 0 ? [...odd, `${omittedWarnings} more of these`] : odd;
}

function indexedOnce(layers: ReadonlyMap<Digest, IndexedOnce>, { digest }: LayerDescriptor): IndexedOnce {
  const found = layers.get(digest);
  if (found === undefined) throw new ClipctlError('INTERNAL', `layer ${digest} was not indexed`);
  return found;
}

function describeLayer(layer: LayerDescriptor, { facts, sent }: IndexedOnce, source: ImageSource): IndexedLayer {
  return {
    digest: layer.digest,
    diffId: layer.diffId,
    mediaType: layer.mediaType,
    compressedBytes: facts.compressedBytes,
    uncompressedBytes: facts.uncompressedBytes,
    entries: facts.entries.length,
    checkpoints: facts.checkpoints.length,
    decoder: facts.decoder,
    verifiedBy: 'digest+diffId',
    source: source.kind,
    ...(sent === undefined ? {} : { stored: sent.stored }),
  };
}
