/** A layer's way through the tiers, nearest first: disk, then remotes, then where the image is (DESIGN §1). */
import type { ContentCache } from '../cache/content-cache.ts';
import { hasStoppedTransfer } from '../cache/disk/ingest/begin-transfer.ts';
import type { LockHolder } from '../cache/disk/lock/lock-holder.ts';
import { fillFromRemotes, type TierFill } from '../cache/tiered.ts';
import { errorClassOf, errorCodeOf, isRetryable } from '../errors.ts';
import { contentHashOf, type Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { ingestLayer } from '../pipeline/ingest-layer.ts';
import { ingestSpans, runsWorthTaking, spanTransferKey, type SpanIngest } from '../pipeline/ingest-spans.ts';
import type { LayerMap, SpanRun } from '../pipeline/span-plan.ts';
import type { ImageSource } from '../source/image-source.ts';
import { labelProblem } from './label-problem.ts';
import type { Session } from './open-session.ts';
import type { ServedBy } from './results.ts';
import { retryWhenFull } from './when-full.ts';

export interface WarmLayerRequest {
  readonly layer: LayerDescriptor;
  readonly remotes: readonly ContentCache[];
  /** Asked only when no nearer tier has the layer. */
  readonly source: () => ImageSource;
  /** No other layer is still to start. */
  readonly isLast: boolean;
  /** How an index cuts the layer. */
  readonly map: LayerMap | undefined;
}

export interface ServedLayer {
  readonly servedBy: ServedBy;
  readonly uncompressedBytes: number;
  /** Bytes that came over a network or from a remote cache. */
  readonly downloadedBytes: number;
  /** Compressed bytes that a stopped run had brought, and that were not fetched again. */
  readonly resumedBytes: number;
  /** What the remotes that were asked had to say; undefined when none was. */
  readonly fill: TierFill | undefined;
}

/** Size of the layer when it stands verified on disk; a file nobody vouches for is hashed first. */
export async function sizeOnDisk({ disk, signal }: Session, layer: LayerDescriptor): Promise<number | undefined> {
  const hash = contentHashOf(layer.diffId);
  const seen = { digest: layer.digest, compressedBytes: layer.sizeBytes };
  const sizeBytes = await disk.useLayer(hash, seen);
  if (sizeBytes !== undefined || (await disk.checkLayer(hash)) !== 'unverified') return sizeBytes;
  return (await disk.verifyLayer(hash, { signal })) === 'verified' ? disk.useLayer(hash, seen) : undefined;
}

/** Brings a layer into the disk cache. @throws ClipctlError of the last tier asked */
export async function warmLayer(session: Session, request: WarmLayerRequest): Promise<ServedLayer> {
  const { layer } = request;
  const onDisk = await takeFromDisk(session, layer);
  // Another process may have brought it while we waited for the lock.
  const underLock = async (): Promise<ServedLayer> => (await takeFromDisk(session, layer)) ?? bringLayer(session, request);
  return onDisk ?? withLayerLock(session, layer, underLock);
}

async function takeFromDisk(session: Session, layer: LayerDescriptor): Promise<ServedLayer | undefined> {
  const uncompressedBytes = await sizeOnDisk(session, layer);
  if (uncompressedBytes === undefined) return undefined;
  session.onProgress({ type: 'layer-skip', layer: layer.digest, reason: 'on disk' });
  return { servedBy: 'disk', uncompressedBytes, downloadedBytes: 0, resumedBytes: 0, fill: undefined };
}

/** One process at a time brings a layer; progress says whom we wait for. */
export function withLayerLock<T>(session: Session, layer: LayerDescriptor, action: () => Promise<T>): Promise<T> {
  const { digest, diffId } = layer;
  const onWait = tellWaiting(session, digest);
  return session.disk.withLayerLock(contentHashOf(diffId), { signal: session.signal, onWait }, () =>
    retryWhenFull(session, layer, action),
  );
}

/** Tells of a wait for whoever has the lock of `layer`. */
export function tellWaiting({ onProgress }: Session, layer: Digest): (holder: LockHolder | undefined) => void {
  return (holder) => {
    const who = holder === undefined ? {} : { pid: holder.pid, host: holder.host, command: holder.command };
    onProgress({ type: 'layer-wait', layer, ...who, ...(holder?.isStopped === true && { isStopped: true }) });
  };
}

async function bringLayer(session: Session, request: WarmLayerRequest): Promise<ServedLayer> {
  const fill = await fillLayer(session, request);
  if (fill.filled !== undefined) {
    const { sizeBytes } = fill.filled;
    return { servedBy: 'remote', uncompressedBytes: sizeBytes, downloadedBytes: fill.downloadedBytes, resumedBytes: 0, fill };
  }
  const source = request.source();
  const taken = await takeFromSource(session, request, source);
  const downloadedBytes = fill.downloadedBytes + (source.kind === 'registry' ? taken.readBytes : 0);
  const { uncompressedBytes, resumedBytes } = taken;
  return { servedBy: source.kind, uncompressedBytes, downloadedBytes, resumedBytes, fill };
}

/** In parallel runs where an index knows the layer, else (or when that fails) in one stream, which also says what is wrong. */
async function takeFromSource(
  session: Session,
  { layer, isLast, map }: WarmLayerRequest,
  source: ImageSource,
): Promise<SpanIngest> {
  const runs = map === undefined ? undefined : await runsToTake(session, { layer, map }, source);
  if (map !== undefined && runs !== undefined) {
    const parallel = session.options.jobs;
    const spans = await ingestSpans(session, { layer, source, map, runs, parallel }).catch(async (error: unknown) => {
      if (!(await isWorthOneStream(session, layer, error))) throw error;
      session.onProgress({ type: 'retry', what: layer.digest, attempt: 1, most: 1, waitMs: 0, reason: errorCodeOf(error) });
      return undefined;
    });
    if (spans !== undefined) return spans;
  }
  const { facts, readBytes } = await ingestLayer(session, { layer, source, scan: false, keep: true, isLast });
  const odd = labelProblem(layer, facts);
  if (odd !== undefined) session.onProgress({ type: 'warning', message: `layer ${layer.digest}: ${odd}` });
  return { uncompressedBytes: facts.uncompressedBytes, resumedBytes: facts.resumedBytes, readBytes };
}

/** `undefined`: one stream. What a stopped run has brought decides: it is gone on with as it was begun. */
async function runsToTake(
  { disk, options }: Session,
  { layer, map }: { readonly layer: LayerDescriptor; readonly map: LayerMap },
  source: ImageSource,
): Promise<readonly SpanRun[] | undefined> {
  if (source.kind !== 'registry') return runsWorthTaking(map, options.jobs);
  const { digest, sizeBytes, diffId } = layer;
  const hash = contentHashOf(diffId);
  const oneStream = { digest, sizeBytes, diffId, checkpointIntervalBytes: 0 };
  if (await hasStoppedTransfer(disk.directory, hash, oneStream)) return undefined;
  const isBegun = await hasStoppedTransfer(disk.directory, hash, spanTransferKey(layer));
  return runsWorthTaking(map, isBegun ? Infinity : options.jobs);
}

/** A registry without ranges, an index of another build, bytes that are wrong: one stream finds out, or serves. */
async function isWorthOneStream({ disk }: Session, layer: LayerDescriptor, error: unknown): Promise<boolean> {
  const errorClass = errorClassOf(errorCodeOf(error));
  if (errorClass !== 'network') return errorClass === 'integrity';
  // The line is down, not the registry odd: one stream would drop what came so far, which the next command goes on with.
  return !isRetryable(error) || !(await hasStoppedTransfer(disk.directory, contentHashOf(layer.diffId), spanTransferKey(layer)));
}

/** What one fill from a remote has in memory: the stream's read-ahead and the piece that is hashed and written. */
const FILL_BYTES = 512 * 1024;

async function fillLayer(session: Session, request: WarmLayerRequest): Promise<TierFill> {
  if (request.remotes.length === 0) return { downloadedBytes: 0, misses: [], failures: [] };
  const memory = await session.budget.acquire(FILL_BYTES, session.signal);
  try {
    return await fillFromNearest(session, request);
  } finally {
    memory.release();
  }
}

async function fillFromNearest(session: Session, { layer, remotes }: WarmLayerRequest): Promise<TierFill> {
  const { onProgress, signal, disk, limits } = session;
  const about = { layer: layer.digest, action: 'download' } as const;
  let isStarted = false;
  const fill = await fillFromRemotes(contentHashOf(layer.diffId), {
    disk,
    remotes,
    signal,
    maxBytes: limits.maxLayerBytes,
    onBytes: (bytes, totalBytes) => {
      if (!isStarted) onProgress({ type: 'layer-start', ...about, totalBytes, from: 'remote' });
      isStarted = true;
      onProgress({ type: 'layer-progress', ...about, bytes, totalBytes });
    },
  });
  if (fill.filled !== undefined) {
    onProgress({ type: 'layer-done', ...about, bytes: fill.filled.sizeBytes, note: `from ${fill.filled.url}` });
  }
  return fill;
}
