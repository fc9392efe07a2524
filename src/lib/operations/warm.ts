/** `warm`: every layer of the images into the disk cache, from the nearest tier that has it, each fetched once. */
import type { ContentCache } from '../cache/content-cache.ts';
import { ClipctlError } from '../errors.ts';
import type { Digest, DiffId } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { announceImages, type AnnouncedImage } from './announce-images.ts';
import { combineFailures } from './failures.ts';
import { openImage, type OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';
import type { WarmedImage, WarmedLayer, WarmResult } from './results.ts';
import { remoteFailed, sendLayerToAll, type SendOutcome } from './send-layer.ts';
import { warmLayer, type ServedLayer } from './tiers.ts';

export interface WarmRequest {
  /** References, layouts and `.clip` files. */
  readonly images: readonly string[];
  readonly platform?: Platform;
  /** Remotes to fill too. */
  readonly to: readonly string[];
  /** Remotes to read before the registry. */
  readonly from: readonly string[];
  /** `required`: a failing `to` remote is an error (exit 11). */
  readonly remote: 'optional' | 'required';
  /** Only these layers (digest or diffID); empty = all. */
  readonly layers: readonly Digest[];
}

/** One layer to warm, and the first image that asked for it. */
interface WarmTask {
  readonly layer: LayerDescriptor;
  readonly image: OpenedImage;
}

type TaskOutcome = ServedLayer & SendOutcome;

/** @throws ClipctlError when an image or a layer failed; everything else was still brought in */
export async function warmImages(session: Session, request: WarmRequest): Promise<WarmResult> {
  const startedAt = performance.now();
  const [from, to] = await Promise.all([openAll(session, request.from), openAll(session, request.to)]);
  const opened = await runLimited(request.images, session.options.jobs, (name) =>
    openImage(session, name, request.platform === undefined ? {} : { platform: request.platform }),
  );
  const images = opened.flatMap((result) => (result.status === 'fulfilled' ? [selectLayers(result.value, request.layers)] : []));
  requireLayers(images, request.layers, opened.length);
  announceImages(session, images.map(announced));
  const tasks = distinctTasks(images);
  const settled = await runLimited(tasks, session.options.jobs, (task, at) =>
    warmTask(session, task, { from, to, isLast: at === tasks.length - 1 }),
  );
  throwFailures([...opened, ...settled]);
  const outcomes = new Map<DiffId, TaskOutcome>();
  settled.forEach((result, at) => {
    const task = tasks[at];
    if (result.status === 'fulfilled' && task !== undefined) outcomes.set(task.layer.diffId, result.value);
  });
  const failedSends = [...outcomes.values()].flatMap((outcome) => outcome.failures);
  if (request.remote === 'required' && failedSends.length > 0) throw combineFailures(failedSends.map(remoteFailed), 'sends');
  return {
    images: images.map((image) => warmedImage(image, outcomes)),
    totals: totalsOf(session, outcomes),
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: warningsOf(images, outcomes),
  };
}

async function warmTask(
  session: Session,
  task: WarmTask,
  options: { from: ContentCache[]; to: ContentCache[]; isLast: boolean },
): Promise<TaskOutcome> {
  const served = await warmLayer(session, {
    layer: task.layer,
    remotes: options.from,
    source: task.image.source,
    isLast: options.isLast,
    map: task.image.mapOf(task.layer.digest),
  });
  const sent = await sendLayerToAll(session, options.to, {
    digest: task.layer.digest,
    diffId: task.layer.diffId,
    sizeBytes: served.uncompressedBytes,
  });
  return { ...served, ...sent };
}

/** Opens remotes by URL. @throws ClipctlError USAGE */
export function openAll(session: Session, urls: readonly string[]): Promise<ContentCache[]> {
  return Promise.all(urls.map((url) => session.openRemote(url)));
}

/** Each decompressed layer once, whoever asked: images share layers. */
export function distinctTasks(images: readonly OpenedImage[]): WarmTask[] {
  const tasks = new Map<DiffId, WarmTask>();
  for (const image of images)
    for (const layer of image.layers) if (!tasks.has(layer.diffId)) tasks.set(layer.diffId, { layer, image });
  return [...tasks.values()];
}

/** The image with only these layers (digest or diffID); all when none are named. */
export function selectLayers(image: OpenedImage, only: readonly Digest[]): OpenedImage {
  if (only.length === 0) return image;
  return { ...image, layers: image.layers.filter((layer) => only.includes(layer.digest) || only.includes(layer.diffId)) };
}

function requireLayers(images: readonly OpenedImage[], only: readonly Digest[], asked: number): void {
  if (images.length < asked) return;
  const missing = only.find(
    (digest) => !images.some((image) => image.layers.some((layer) => layer.digest === digest || layer.diffId === digest)),
  );
  if (missing === undefined) return;
  throw new ClipctlError('LAYER_NOT_FOUND', `no layer ${missing} in ${images.map((image) => image.name).join(', ')}`, {
    hint: 'clipctl inspect IMAGE lists the digests and diffIDs of its layers.',
  });
}

function throwFailures(settled: readonly PromiseSettledResult<unknown>[]): void {
  const failures = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length > 0) throw combineFailures(failures, 'items');
}

/** What progress is told of an opened image. */
export function announced(image: OpenedImage): AnnouncedImage {
  return { name: image.name, platform: platformOf(image), layers: image.layers };
}

/** `os/architecture[/variant]` of an opened image. */
export function platformOf(image: OpenedImage): string {
  if (image.resolved !== undefined) return formatPlatform(image.resolved.platform);
  const metadata = image.clip?.file.storageInfo.imageMetadata;
  if (metadata === undefined || metadata.os === '') return 'unknown';
  return formatPlatform({
    os: metadata.os,
    architecture: metadata.architecture,
    ...(metadata.variant === '' ? {} : { variant: metadata.variant }),
  });
}

function warmedImage(image: OpenedImage, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmedImage {
  const layers = image.layers.flatMap((layer): WarmedLayer[] => {
    const outcome = outcomes.get(layer.diffId);
    if (outcome === undefined) return [];
    const { uncompressedBytes, servedBy, downloadedBytes, stored } = outcome;
    return [{ digest: layer.digest, diffId: layer.diffId, uncompressedBytes, servedBy, downloadedBytes, stored }];
  });
  return { image: image.name, platform: platformOf(image), layers };
}

function totalsOf(session: Session, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmResult['totals'] {
  const all = [...outcomes.values()];
  return {
    layers: all.length,
    downloadedBytes: all.reduce((sum, outcome) => sum + outcome.downloadedBytes, 0),
    uncompressedBytes: all.reduce((sum, outcome) => sum + outcome.uncompressedBytes, 0),
    requests: session.requestCount(),
  };
}

function warningsOf(images: readonly OpenedImage[], outcomes: ReadonlyMap<DiffId, TaskOutcome>): string[] {
  const sends = [...outcomes.values()].flatMap((outcome) => outcome.failures.map((failure) => remoteFailed(failure).message));
  const reads = [...outcomes.values()].flatMap((outcome) => outcome.warnings);
  return [...new Set([...images.flatMap((image) => image.warnings), ...reads, ...sends])];
}
