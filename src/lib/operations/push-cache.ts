/** `push-cache`: decompressed layers from the disk cache into remote caches. Every remote is required: a failure is exit 11. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { Platform } from '../oci/platform.ts';
import { isAbort } from '../errors.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { announceImages } from './announce-images.ts';
import { combineFailures, valuesOrThrow } from './failures.ts';
import { announced, distinctLayers, type LayerOfImage } from './image-layers.ts';
import { openImages } from './open-images.ts';
import { openRemotes } from './open-remotes.ts';
import type { Session } from './open-session.ts';
import type { PushedLayer, PushResult } from './results.ts';
import { howItCreates } from './remote-tally.ts';
import { remoteFailed, sendLayer, type SentLayer } from './send-layer.ts';
import { warmLayer } from './tiers.ts';

export interface PushRequest {
  readonly images: readonly string[];
  readonly platform?: Platform;
  readonly to: readonly string[];
}

/** @throws ClipctlError REMOTE_FAILED, or why a layer could not be had; all other layers were still sent */
export async function pushCache(session: Session, request: PushRequest): Promise<PushResult> {
  const startedAt = performance.now();
  const remotes = await openRemotes(session, request.to);
  const { images, failures } = await openImages(session, request);
  announceImages(session, images.map(announced), ({ diffId }) => diffId);
  const tasks = distinctLayers(images);
  const settled = await runLargestFirst(tasks, {
    limit: session.options.jobs,
    sizeOf: ({ layer }) => layer.sizeBytes,
    work: (task, isLast) => pushLayer(session, task, { remotes, isLast }),
  });
  const pushed = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = [...failures, ...settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))];
  if (failed.length > 0) throw combineFailures(failed, 'items');
  return {
    remotes: remotes.map((remote, at) => ({
      url: remote.url,
      creates: howItCreates(remote),
      layers: pushed.flatMap((sends) => sends[at] ?? []),
    })),
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: images.flatMap((image) => image.warnings),
  };
}

/** What each remote got of one layer, in the order of the remotes. */
async function pushLayer(
  session: Session,
  { layer, image }: LayerOfImage,
  { remotes, isLast }: { remotes: readonly ContentCache[]; isLast: boolean },
): Promise<PushedLayer[]> {
  const { digest, diffId } = layer;
  // A layer that is not on disk is warmed first: the committed file is what is sent.
  const served = await warmLayer(session, { layer, remotes: [], source: image.source, isLast, map: image.mapOf(digest) });
  const sent = { digest, diffId, sizeBytes: served.uncompressedBytes };
  const sends = await runLimited(remotes, remotes.length, (remote) => sendRequired(session, remote, sent));
  return valuesOrThrow(sends, 'sends');
}

async function sendRequired(session: Session, remote: ContentCache, sent: SentLayer): Promise<PushedLayer> {
  try {
    const { sentBytes, chunks, skipped } = await sendLayer(session, remote, sent);
    return { diffId: sent.diffId, uncompressedBytes: sent.sizeBytes, sentBytes, chunks, skipped };
  } catch (error) {
    if (isAbort(error)) throw error;
    throw remoteFailed({ url: remote.url, error });
  }
}
