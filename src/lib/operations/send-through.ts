/** `--no-disk`: a layer from where the image is straight into remote caches, with only parts of 8 MiB in between. */
import type { ContentCache, ContentInfo, StoreResult } from '../cache/content-cache.ts';
import { ClipctlError, errorCodeOf, isRetryable } from '../errors.ts';
import { contentHashOf, type ContentHash } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { layerParts } from '../pipeline/layer-parts.ts';
import { teeParts, type PartSource } from '../pipeline/tee-parts.ts';
import type { ImageSource } from '../source/image-source.ts';
import type { LayerOfImage } from './image-layers.ts';
import type { Session } from './open-session.ts';
import { reportSend, settleSends, type SendOutcome } from './send-layer.ts';

export interface ThroughOutcome extends SendOutcome {
  /** Absent when no remote took the layer and nobody knew its size. */
  readonly uncompressedBytes: number | undefined;
  /** Nobody says that it has this size but a remote that has it already. */
  readonly isSizeClaimed: boolean;
  /** Compressed bytes taken from a registry. */
  readonly downloadedBytes: number;
}

/** The decompressed size, where it is known before the layer is read: from an index, or because nothing is compressed. */
export function knownSizeOf({ layer, image }: LayerOfImage): number | undefined {
  return image.mapOf(layer.digest)?.uncompressedBytes ?? (layer.digest === layer.diffId ? layer.sizeBytes : undefined);
}

/** @throws ClipctlError USAGE before anything is read, when a remote would have to know a size that nobody knows */
export async function requireSizes(
  session: Session,
  tasks: readonly LayerOfImage[],
  remotes: readonly ContentCache[],
): Promise<void> {
  const { disk, signal } = session;
  const strict = remotes.filter((remote) => remote.storeUnsized === undefined);
  for (const task of tasks) {
    const hash = contentHashOf(task.layer.diffId);
    if (strict.length === 0 || knownSizeOf(task) !== undefined || (await disk.contentExists(hash, { signal })) !== undefined)
      continue;
    for (const { url } of strict) {
      throw new ClipctlError(
        'USAGE',
        `--no-disk: ${url} must be told how large layer ${task.layer.digest} is, and only an index knows`,
        { hint: `Make one (clipctl index ${task.image.name}) and name it instead of the image, or leave out --no-disk.` },
      );
    }
  }
}

/**
 * Sends a layer through to each remote that lacks it, out of one download. A store that broke is begun once more.
 * @throws ClipctlError what is wrong with the layer or its source; the signal's reason. Never what a remote throws
 */
export async function sendThrough(
  session: Session,
  task: LayerOfImage,
  remotes: readonly ContentCache[],
): Promise<ThroughOutcome> {
  const { signal } = session;
  const hash = contentHashOf(task.layer.diffId);
  const known = knownSizeOf(task);
  let claimed: number | undefined;
  const missing: ContentCache[] = [];
  const there = await settleSends(remotes, async (remote): Promise<StoreResult> => {
    const found = await existsRight(remote, hash, signal);
    if (found === undefined) missing.push(remote);
    else claimed = found.sizeBytes;
    return { sentBytes: 0, chunks: 0, skipped: true };
  });
  const results = there.results.filter(({ url }) => missing.every((remote) => remote.url !== url));
  const first = await passOnce(session, task, missing);
  const broken = first.failures.filter(({ error }) => isRetryable(error)).map(({ url }) => url);
  const second = await passOnce(
    session,
    task,
    missing.filter(({ url }) => broken.includes(url)),
  );
  const sent = [...first.results, ...second.results];
  const lost = [...first.failures.filter(({ url }) => !broken.includes(url)), ...second.failures];
  const read = first.sizeBytes ?? second.sizeBytes;
  return {
    stored: [...results, ...sent].map(({ url }) => url),
    results: [...results, ...sent],
    failures: [...there.failures, ...lost],
    uncompressedBytes: read ?? known ?? claimed,
    isSizeClaimed: (read ?? known) === undefined,
    downloadedBytes: first.downloadedBytes + second.downloadedBytes,
  };
}

/** What a remote itself knows to be wrong is stored anew. */
async function existsRight(remote: ContentCache, hash: ContentHash, signal: AbortSignal): Promise<ContentInfo | undefined> {
  try {
    return await remote.contentExists(hash, { signal });
  } catch (error) {
    if (errorCodeOf(error) === 'CACHE_CORRUPT') return undefined;
    throw error;
  }
}

interface Pass extends SendOutcome {
  readonly downloadedBytes: number;
  /** Decompressed; `undefined` when nobody took all of it. */
  readonly sizeBytes: number | undefined;
}

const NOTHING: Pass = { stored: [], results: [], failures: [], downloadedBytes: 0, sizeBytes: undefined };

async function passOnce(session: Session, task: LayerOfImage, remotes: readonly ContentCache[]): Promise<Pass> {
  if (remotes.length === 0) return NOTHING;
  const { layer } = task;
  const source = task.image.source();
  const incoming = reportIncoming(session, layer, source);
  const tee = teeParts(layerParts(session, { layer, source, onBytes: incoming.onBytes }), remotes.length);
  const byUrl = new Map(remotes.map((remote, at) => [remote.url, tee.sources[at]]));
  const outcome = await settleSends(remotes, (remote) => storeFrom(session, task, { remote, source: byUrl.get(remote.url) }));
  // What is wrong with the layer is no fault of the remotes that it was meant for.
  const failure = tee.failure();
  incoming.end(failure);
  if (failure !== undefined) throw failure as Error;
  return { ...outcome, downloadedBytes: source.kind === 'registry' ? incoming.bytes() : 0, sizeBytes: tee.sizeBytes() };
}

async function storeFrom(
  session: Session,
  task: LayerOfImage,
  { remote, source }: { readonly remote: ContentCache; readonly source: PartSource | undefined },
): Promise<StoreResult> {
  if (source === undefined) throw new ClipctlError('INTERNAL', `no source for ${remote.url}`);
  const { signal } = session;
  const { layer } = task;
  const hash = contentHashOf(layer.diffId);
  const sizeBytes = knownSizeOf(task);
  try {
    const about = { layer: layer.digest, totalBytes: sizeBytes ?? layer.sizeBytes, url: remote.url };
    return await reportSend(session, about, async (watch) => {
      if (sizeBytes !== undefined) return remote.storeContent(watch(source), hash, { sizeBytes, signal });
      if (remote.storeUnsized !== undefined) return remote.storeUnsized(watch(source), hash, { signal });
      throw new ClipctlError('USAGE', `${remote.url} must be told how large layer ${layer.digest} is`);
    });
  } finally {
    source.close();
  }
}

function reportIncoming({ onProgress }: Session, layer: LayerDescriptor, source: ImageSource) {
  const about = { layer: layer.digest, action: source.kind === 'registry' ? 'download' : 'read' } as const;
  const totalBytes = layer.sizeBytes;
  let taken = 0;
  onProgress({ type: 'layer-start', ...about, totalBytes, from: source.kind });
  return {
    onBytes: (bytes: number): void => {
      taken = bytes;
      onProgress({ type: 'layer-progress', ...about, bytes, totalBytes });
    },
    end: (failure: unknown): void =>
      onProgress(failure === undefined ? { type: 'layer-done', ...about, bytes: taken } : { type: 'layer-failed', ...about }),
    bytes: (): number => taken,
  };
}
