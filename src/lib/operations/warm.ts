/** `warm`: every layer of the images into the disk cache, from the nearest tier that has it, each fetched once. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { Digest, DiffId } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { announceImages } from './announce-images.ts';
import { combineFailures } from './failures.ts';
import { announced, distinctLayers, platformOf, type LayerOfImage } from './image-layers.ts';
import type { OpenedImage } from './open-image.ts';
import { openImages } from './open-images.ts';
import { openRemotes } from './open-remotes.ts';
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

type TaskOutcome = ServedLayer & SendOutcome;

/** @throws ClipctlError when an image or a layer failed; everything else was still brought in */
export async function warmImages(session: Session, request: WarmRequest): Promise<WarmResult> {
  const startedAt = performance.now();
  const [from, to] = await Promise.all([openRemotes(session, request.from), openRemotes(session, request.to)]);
  const { images, failures } = await openImages(session, request);
  await session.disk.removeLeftovers();
  announceImages(session, images.map(announced), ({ diffId }) => diffId);
  const tasks = distinctLayers(images);
  const settled = await runLimited(tasks, session.options.jobs, (task, at) =>
    warmTask(session, task, { from, to, isLast: at === tasks.length - 1 }),
  );
  throwFailures(failures, settled);
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
  task: LayerOfImage,
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

function throwFailures(opening: readonly unknown[], settled: readonly PromiseSettledResult<unknown>[]): void {
  const failures = [...opening, ...settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))];
  if (failures.length > 0) throw combineFailures(failures, 'items');
}

function warmedImage(image: OpenedImage, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmedImage {
  const layers = image.layers.flatMap((layer): WarmedLayer[] => {
    const outcome = outcomes.get(layer.diffId);
    if (outcome === undefined) return [];
    const { uncompressedBytes, servedBy, downloadedBytes, stored } = outcome;
    const resumed = resumedField(outcome.resumedBytes);
    return [{ digest: layer.digest, diffId: layer.diffId, uncompressedBytes, servedBy, downloadedBytes, ...resumed, stored }];
  });
  return { image: image.name, platform: platformOf(image), layers };
}

/** A field for what is rare. */
function resumedField(resumedBytes: number): { readonly resumedBytes?: number } {
  return resumedBytes === 0 ? {} : { resumedBytes };
}

function totalsOf(session: Session, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmResult['totals'] {
  const all = [...outcomes.values()];
  return {
    layers: all.length,
    downloadedBytes: all.reduce((sum, outcome) => sum + outcome.downloadedBytes, 0),
    ...resumedField(all.reduce((sum, outcome) => sum + outcome.resumedBytes, 0)),
    uncompressedBytes: all.reduce((sum, outcome) => sum + outcome.uncompressedBytes, 0),
    requests: session.requestCount(),
  };
}

function warningsOf(images: readonly OpenedImage[], outcomes: ReadonlyMap<DiffId, TaskOutcome>): string[] {
  const sends = [...outcomes.values()].flatMap((outcome) => outcome.failures.map((failure) => remoteFailed(failure).message));
  const reads = [...outcomes.values()].flatMap((outcome) => outcome.warnings);
  return [...new Set([...images.flatMap((image) => image.warnings), ...reads, ...sends])];
}
