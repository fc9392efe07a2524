/** `inspect`: what an image is, layer by layer, and where each layer is warm. Fetches manifests only, never a layer. */
import { ClipctlError } from '../errors.ts';
import { contentHashOf, type DiffId } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import type { ContentCache } from '../cache/content-cache.ts';
import { valuesOrThrow } from './failures.ts';
import { describeConfig } from './image-facts.ts';
import { openImage, type OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';
import type { InspectedLayer, InspectResult } from './results.ts';
import { platformOf } from './image-layers.ts';
import { openOptionalRemotes } from './open-remotes.ts';
import { remoteHolds } from './remote-holds.ts';

export interface InspectRequest {
  readonly image: string;
  readonly platform?: Platform;
  /** Remotes to ask for each layer. */
  readonly from: readonly string[];
}

/** @throws ClipctlError why the image can't be read */
export async function inspectImage(session: Session, request: InspectRequest): Promise<InspectResult> {
  const remotes = await openOptionalRemotes(session, request.from);
  const image = await openImage(session, request.image, request.platform === undefined ? {} : { platform: request.platform });
  const warnings = new Set(image.warnings);
  const layers = await inspectLayers(session, image, { remotes, warnings });
  const platforms = image.resolved?.platforms;
  return {
    image: image.name,
    platform: platformOf(image),
    manifestDigest: manifestDigestOf(image),
    ...(platforms === undefined
      ? {}
      : { platforms: platforms.map(({ platform, digest }) => ({ platform: formatPlatform(platform), digest })) }),
    config: describeConfig(image),
    layers,
    totals: totalsOf(image, layers),
    warm: layers.every((layer) => layer.tiers.disk),
    warnings: [...warnings],
  };
}

async function inspectLayers(
  session: Session,
  image: OpenedImage,
  { remotes, warnings }: { remotes: readonly ContentCache[]; warnings: Set<string> },
): Promise<InspectedLayer[]> {
  const byDiffId = new Map<DiffId, LayerDescriptor>(image.layers.map((layer) => [layer.diffId, layer]));
  const settled = await runLimited([...byDiffId.values()], session.options.jobs * 4, async (layer) => {
    const onDisk = await session.disk.contentExists(contentHashOf(layer.diffId), { signal: session.signal });
    const remote: Record<string, boolean> = {};
    for (const cache of remotes)
      remote[cache.url] = await remoteHolds(cache, contentHashOf(layer.diffId), { signal: session.signal, warnings });
    return [layer.diffId, { onDisk, remote }] as const;
  });
  const found = new Map(valuesOrThrow(settled, 'layers'));
  const extension = new Map(image.clip?.file.extension?.layers.map((layer) => [layer.digest, layer]));
  return image.layers.map((layer, at) => {
    const tiers = found.get(layer.diffId);
    const indexed = extension.get(layer.digest);
    const uncompressedBytes = indexed?.uncompressedBytes ?? tiers?.onDisk?.sizeBytes;
    const createdBy = image.resolved?.config.createdBy[at];
    return {
      digest: layer.digest,
      diffId: layer.diffId,
      mediaType: layer.mediaType,
      compressedBytes: layer.sizeBytes,
      ...(uncompressedBytes === undefined ? {} : { uncompressedBytes }),
      ...(indexed === undefined ? {} : { checkpoints: indexed.checkpoints.length }),
      ...(createdBy === undefined ? {} : { createdBy }),
      tiers: { disk: tiers?.onDisk !== undefined, remote: tiers?.remote ?? {} },
    };
  });
}

function manifestDigestOf(image: OpenedImage): InspectResult['manifestDigest'] {
  const digest = image.resolved?.manifestDigest ?? image.clip?.file.storageInfo.imageMetadata.digest;
  if (digest === undefined) throw new ClipctlError('INTERNAL', 'an opened image is an image or an index');
  return digest as InspectResult['manifestDigest'];
}

function totalsOf(image: OpenedImage, layers: readonly InspectedLayer[]): InspectResult['totals'] {
  const sum = (value: (layer: InspectedLayer) => number): number => layers.reduce((total, layer) => total + value(layer), 0);
  const allKnown = layers.every((layer) => layer.uncompressedBytes !== undefined);
  const entries = image.clip === undefined ? undefined : image.clip.file.nodes.length + specials(image);
  return {
    layers: layers.length,
    compressedBytes: sum((layer) => layer.compressedBytes),
    ...(allKnown ? { uncompressedBytes: sum((layer) => layer.uncompressedBytes ?? 0) } : {}),
    ...(entries === undefined ? {} : { entries }),
    warmLayers: layers.filter((layer) => layer.tiers.disk).length,
    warmBytes: sum((layer) => (layer.tiers.disk ? layer.compressedBytes : 0)),
  };
}

/** Devices and fifos are no nodes of the index section; they stand in the extension. */
function specials(image: OpenedImage): number {
  return image.clip?.file.extension?.entries.filter((entry) => entry.special !== undefined).length ?? 0;
}
