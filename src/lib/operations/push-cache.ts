/** `push-cache`: decompressed layers from the disk cache into remote caches. Every remote is required: a failure is exit 11. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { Platform } from '../oci/platform.ts';
import { isAbort } from '../errors.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { announceImages } from './announce-images.ts';
import { valuesOrThrow } from './failures.ts';
import { openImage } from './open-image.ts';
import type { Session } from './open-session.ts';
import type { PushedLayer, PushResult } from './results.ts';
import { remoteFailed, sendLayer, type SentLayer } from './send-layer.ts';
import { warmLayer } from './tiers.ts';
import { announced, distinctTasks, openAll } from './warm.ts';

export interface PushRequest {
  readonly images: readonly string[];
  readonly platform?: Platform;
  readonly to: readonly string[];
}

/** @throws ClipctlError REMOTE_FAILED, or why a layer could not be had; all other layers were still sent */
export async function pushCache(session: Session, request: PushRequest): Promise<PushResult> {
  const startedAt = performance.now();
  const remotes = await openAll(session, request.to);
  const opened = await runLimited(request.images, session.options.jobs, (name) =>
    openImage(session, name, request.platform === undefined ? {} : { platform: request.platform }),
  );
  const images = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  announceImages(session, images.map(announced));
  const tasks = distinctTasks(images);
  const settled = await runLimited(tasks, session.options.jobs, async ({ layer, image }, at) => {
    // A layer that is not on disk is warmed first: the committed file is what is sent.
    const served = await warmLayer(session, {
      layer,
      remotes: [],
      source: image.source,
      isLast: at === tasks.length - 1,
      map: image.mapOf(layer.digest),
    });
    const sizeBytes = served.uncompressedBytes;
    const sends = await runLimited(remotes, remotes.length, (remote) =>
      sendRequired(session, remote, { digest: layer.digest, diffId: layer.diffId, sizeBytes }),
    );
    return valuesOrThrow(sends, 'sends');
  });
  const layers = valuesOrThrow<unknown>([...opened, ...settled], 'items').slice(images.length) as PushedLayer[][];
  return {
    remotes: remotes.map((remote, at) => ({ url: remote.url, layers: layers.flatMap((sends) => sends[at] ?? []) })),
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: images.flatMap((image) => image.warnings),
  };
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
