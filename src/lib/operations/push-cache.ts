/** `push-cache`: decompressed layers from the disk cache into remote caches. Every remote is required: a failure is exit 11. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { FrameEncoder } from '../compression/zstd/frame-encoder.ts';
import type { Platform } from '../oci/platform.ts';
import { ClipctlError } from '../errors.ts';
import { throughAtOnce } from '../pipeline/layer-parts.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import { announceImages } from './announce-images.ts';
import { claimRoom, wantedOf } from './disk-room.ts';
import { combineFailures } from './failures.ts';
import { announced, distinctLayers, type LayerOfImage } from './image-layers.ts';
import { openImages, type PlatformChoice } from './open-images.ts';
import { openRemotes, requireWritable } from './open-remotes.ts';
import type { Session } from './open-session.ts';
import { howItCreates } from './remote-tally.ts';
import type { PushedLayer, PushResult, Verification } from './results.ts';
import { remoteFailed, sendLayerToAll, type SendOutcome } from './send-layer.ts';
import { requireSizes, sendThrough } from './send-through.ts';
import { sizeOnDisk, warmLayer } from './tiers.ts';
import { encoderFor, type Compression } from './encoder-for.ts';
import { contentMapOf, verifyTiers, wrongTiers, type VerifyMode } from './verify-tiers.ts';

export interface PushRequest extends PlatformChoice {
  readonly images: readonly string[];
  readonly platform?: Platform;
  readonly to: readonly string[];
  /** Remotes that nothing may be written to. */
  readonly readOnly?: readonly string[];
  /** What is not on disk goes straight through and is not kept. */
  readonly noDisk?: boolean;
  /** Stores layers packed, where an encoder can be had. */
  readonly compress?: Compression;
  /** Read back what the remotes have now: the ends and a sample, or every byte. */
  readonly verify?: VerifyMode;
}

interface Pushed extends SendOutcome {
  readonly task: LayerOfImage;
  readonly uncompressedBytes: number;
  readonly isSizeClaimed?: boolean;
}

/** @throws ClipctlError REMOTE_FAILED, or why a layer could not be had; all other layers were still sent. CACHE_CORRUPT after --verify */
export async function pushCache(session: Session, request: PushRequest): Promise<PushResult> {
  const startedAt = performance.now();
  const remotes = await openRemotes(session, request.to);
  await requireWritable(session, remotes, request.readOnly ?? []);
  const { encoder, warnings } = await encoderFor(remotes, request);
  const { images, failures } = await openImages(session, request);
  announceImages(session, images.map(announced), ({ diffId }) => diffId);
  if (request.noDisk !== true) await claimRoom(session, wantedOf(images));
  const tasks = distinctLayers(images);
  const pushed = await pushAll(session, tasks, { remotes, failures, noDisk: request.noDisk === true, encoder });
  if (request.noDisk !== true) await session.documents.keep();
  const verification = await verifyPushed(session, pushed, { remotes, mode: request.verify ?? 'none' });
  return {
    remotes: remotes.map((remote) => ({
      url: remote.url,
      // A packed form is looked for, then put there.
      creates: encoder === undefined ? howItCreates(remote) : 'head-then-put',
      layers: pushed.flatMap((layer) => pushedTo(remote, layer)),
    })),
    ...(verification === undefined ? {} : { verification }),
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: [...new Set([...warnings, ...images.flatMap((image) => image.warnings)])],
  };
}

interface PushAllOptions {
  readonly remotes: readonly ContentCache[];
  /** Of images that could not be opened. */
  readonly failures: readonly unknown[];
  readonly noDisk: boolean;
  readonly encoder: FrameEncoder | undefined;
}

async function pushAll(
  session: Session,
  tasks: readonly LayerOfImage[],
  { remotes, failures, noDisk, encoder }: PushAllOptions,
): Promise<Pushed[]> {
  if (noDisk) await requireSizes(session, tasks, remotes);
  const { jobs } = session.options;
  const settled = await runLargestFirst(tasks, {
    limit: noDisk ? Math.min(jobs, throughAtOnce(session)) : jobs,
    sizeOf: ({ layer }) => layer.sizeBytes,
    work: (task, isLast) => pushLayer(session, task, { remotes, noDisk, isLast, encoder }),
  });
  const pushed = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = [
    ...failures,
    ...settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
    ...pushed.flatMap((layer) => layer.failures.map(remoteFailed)),
  ];
  if (failed.length > 0) throw combineFailures(failed, 'items');
  return pushed;
}

async function pushLayer(
  session: Session,
  task: LayerOfImage,
  { remotes, noDisk, isLast, encoder }: Omit<PushAllOptions, 'failures'> & { readonly isLast: boolean },
): Promise<Pushed> {
  const { layer, image } = task;
  const { digest, diffId } = layer;
  if (noDisk && (await sizeOnDisk(session, layer)) === undefined) {
    const through = await sendThrough(session, task, remotes);
    return { ...through, task, uncompressedBytes: through.uncompressedBytes ?? 0 };
  }
  // A layer that is not on disk is warmed first: the committed file is what is sent.
  const served = await warmLayer(session, { layer, remotes: [], source: image.source, isLast, map: image.mapOf(digest) });
  const sizeBytes = served.uncompressedBytes;
  const sent = await sendLayerToAll(session, remotes, { digest, diffId, sizeBytes, encoder });
  return { ...sent, task, uncompressedBytes: sizeBytes };
}

function pushedTo(remote: ContentCache, { task, uncompressedBytes, results }: Pushed): PushedLayer[] {
  const { diffId } = task.layer;
  return results
    .filter(({ url }) => url === remote.url)
    .map(({ result: { sentBytes, chunks, skipped } }) => ({ diffId, uncompressedBytes, sentBytes, chunks, skipped }));
}

/** @throws ClipctlError CACHE_CORRUPT when a remote does not have what was sent to it */
async function verifyPushed(
  session: Session,
  pushed: readonly Pushed[],
  { remotes, mode }: { readonly remotes: readonly ContentCache[]; readonly mode: VerifyMode },
): Promise<Verification | undefined> {
  if (mode === 'none') return undefined;
  const layers = pushed.map(({ task, uncompressedBytes, isSizeClaimed = false }) => ({
    diffId: task.layer.diffId,
    sizeBytes: uncompressedBytes,
    isClaimed: isSizeClaimed,
    map: contentMapOf(task.image, task.layer.digest),
  }));
  const verification = await verifyTiers(
    session,
    mode,
    remotes.map((cache) => ({ name: cache.url, cache, layers })),
  );
  const wrong = wrongTiers(verification);
  if (wrong.length === 0) return verification;
  throw new ClipctlError('CACHE_CORRUPT', wrong.map(({ message }) => message).join('; '), {
    details: {
      wrongLayers: verification.tiers.reduce((sum, { wrong }) => sum + wrong.length, 0),
      hitRatio: Math.min(...verification.tiers.map(({ hitRatio }) => hitRatio)),
    },
    hint: 'Nothing of that was used. clipctl warm IMAGE --to URL --verify full --repair-remote overwrites it.',
  });
}
