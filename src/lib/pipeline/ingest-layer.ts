/**
 * The spine (DESIGN §2): one layer from its source, through one pass in a worker, to a committed file of the disk cache
 * and to the facts an index is made of. Downloaded once and inflated once, however many of these were asked for.
 */
import type { DecompressionLimits } from '../compression/limits.ts';
import type { DiskCache } from '../cache/disk/disk-cache.ts';
import { ownFileOf, type IngestFile, type IngestWish } from '../cache/disk/ingest-file.ts';
import { errorClassOf, errorCodeOf } from '../errors.ts';
import type { ErrorClass, ErrorCode } from '../errors.ts';
import { contentHashOf } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { layerTypeOf } from '../oci/media-types.ts';
import type { ImageSource } from '../source/image-source.ts';
import type { LayerFacts } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { passLayer } from './pass-layer.ts';
import { openResumed } from './resumed-blob.ts';
import type { ProgressListener } from './progress.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What every layer of a run shares. */
export interface PipelineContext {
  readonly budget: MemoryBudget;
  readonly pool: WorkerPool;
  readonly disk: DiskCache;
  readonly limits: DecompressionLimits;
  readonly maxEntries: number;
  readonly onProgress: ProgressListener;
  readonly signal: AbortSignal;
}

export interface IngestRequest {
  readonly layer: LayerDescriptor;
  readonly source: ImageSource;
  /** Learn the tar entries and content digests (for an index). */
  readonly scan: boolean;
  /** Where to cut the decompressed layer into spans that are hashed each, ascending. */
  readonly cuts?: readonly number[];
  /** Decompressed bytes between two checkpoints of a gzip layer; absent = none but the start. */
  readonly checkpointIntervalBytes?: number;
  /** Also compare the checksums inside of the compressed stream. */
  readonly checksums?: boolean;
  /** Commit the decompressed layer to the disk cache. */
  readonly keep: boolean;
  /** No other layer is still to start: this one may take two cores. */
  readonly isLast: boolean;
  /** False: begin anew, whatever an earlier transfer has left. Default true. */
  readonly mayResume?: boolean;
}

export interface IngestedLayer {
  readonly facts: LayerFacts;
  /** Compressed bytes taken from the source, re-fetches included. */
  readonly readBytes: number;
}

/** Wrong bytes from a registry may be a bad moment of a proxy: they are fetched once more, and no more. */
const WORTH_ONE_REFETCH: ReadonlySet<ErrorCode> = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** What is left of a transfer was wrong, or the registry can't serve the rest alone: once more, from the start. */
const WORTH_A_NEW_START: ReadonlySet<ErrorCode> = new Set([
  ...WORTH_ONE_REFETCH,
  'DIFF_ID_MISMATCH',
  'LAYER_CORRUPT',
  'TAR_INVALID',
  'UNSUPPORTED_MEDIA_TYPE',
  'CLIP_INVALID',
  'REGISTRY_ERROR',
]);

/** How a layer can fail that says nothing against the bytes it has so far. */
export const INTERRUPTIONS: ReadonlySet<ErrorClass> = new Set(['aborted', 'network', 'not-allowed']);

/** One call of ingestLayer, over its attempts. */
interface Attempts {
  readBytes: number;
  /** The last one went on with an earlier transfer. */
  isResumed: boolean;
}

/** @throws ClipctlError of the source, of the layer's verification, of limits and of the disk; nothing is visible then */
export async function ingestLayer(context: PipelineContext, request: IngestRequest): Promise<IngestedLayer> {
  const { layer, source } = request;
  const about = { layer: layer.digest, action: actionOf(source) };
  context.onProgress({ type: 'layer-start', ...about, totalBytes: layer.sizeBytes, from: source.kind });
  const attempts: Attempts = { readBytes: 0, isResumed: false };
  const facts = await ingestOnce(context, request, attempts).catch((error: unknown) => {
    const reason = errorCodeOf(error);
    const isWorthIt = attempts.isResumed ? WORTH_A_NEW_START.has(reason) : WORTH_ONE_REFETCH.has(reason);
    if (source.kind !== 'registry' || !isWorthIt) throw error;
    context.onProgress({ type: 'retry', what: layer.digest, attempt: 1, most: 1, waitMs: 0, reason });
    return ingestOnce(context, { ...request, mayResume: false }, attempts);
  });
  const note = facts.resumedBytes > 0 ? { note: `resumed: ${facts.resumedBytes} bytes kept` } : {};
  context.onProgress({ type: 'layer-done', ...about, bytes: facts.compressedBytes, ...note });
  return { facts, readBytes: attempts.readBytes };
}

async function ingestOnce(context: PipelineContext, request: IngestRequest, attempts: Attempts): Promise<LayerFacts> {
  const { layer } = request;
  const ingest = request.keep ? await context.disk.beginIngest({ ...wishOf(request), signal: context.signal }) : undefined;
  attempts.isResumed = ingest?.journal?.resume !== undefined;
  try {
    const facts = await runPass(context, request, { ingest, attempts });
    await ingest?.commit(contentHashOf(facts.diffId), {
      sizeBytes: facts.uncompressedBytes,
      // Only a digest that was seen to hold is noted.
      ...(facts.verifiedBy === 'diffId' ? {} : { digestSeen: { digest: layer.digest, compressedBytes: facts.compressedBytes } }),
      signal: context.signal,
    });
    return facts;
  } catch (error) {
    await (INTERRUPTIONS.has(errorClassOf(errorCodeOf(error))) ? ingest?.suspend() : ingest?.discard());
    throw error;
  }
}

/** What is at hand locally need not be kept half. */
function wishOf({ layer, source, checkpointIntervalBytes = 0, mayResume = true }: IngestRequest): IngestWish {
  const { digest, sizeBytes, diffId } = layer;
  const compression = layerTypeOf(layer.mediaType)?.compression;
  const wish = { hash: contentHashOf(diffId), ...(compression === 'none' ? { sizeBytes } : { atLeastBytes: sizeBytes }) };
  if (source.kind !== 'registry') return wish;
  const spool = compression === 'zstd' ? { spoolBytes: sizeBytes } : {};
  return { ...wish, ...spool, transfer: { digest, sizeBytes, diffId, checkpointIntervalBytes }, mayResume };
}

async function runPass(
  context: PipelineContext,
  { layer, source, scan, cuts, isLast, checkpointIntervalBytes = 0, checksums = false, mayResume = true }: IngestRequest,
  { ingest, attempts }: { ingest: IngestFile | undefined; attempts: Attempts },
): Promise<LayerFacts> {
  const { signal, onProgress } = context;
  const before = attempts.readBytes;
  // After wrong bytes: ranges may have been what was wrong.
  const blob = openResumed(source, layer, { journal: ingest?.journal, mayGetAhead: ingest?.growth.ahead, isRefetch: !mayResume });
  const facts = await passLayer({
    job: {
      expected: { digest: layer.digest, sizeBytes: layer.sizeBytes, diffId: layer.diffId },
      ingestFile: ingest && ownFileOf(ingest),
      isFlushed: ingest?.durability !== 'none',
      ...(ingest?.journal && { journal: ingest.journal }),
      scan,
      ...(cuts && { cuts }),
      checkpointIntervalBytes,
      checksums,
      limits: context.limits,
      maxEntries: context.maxEntries,
    },
    ...(ingest && { growth: ingest.growth }),
    open: blob.open,
    pool: context.pool,
    budget: context.budget,
    signal,
    isLast,
    onBytes: (taken) => {
      attempts.readBytes = before + Math.max(0, taken - blob.replayedBytes);
      const bytes = blob.startBytes + taken;
      onProgress({ type: 'layer-progress', layer: layer.digest, action: actionOf(source), bytes, totalBytes: layer.sizeBytes });
    },
  });
  return blob.aheadBytes === 0 ? facts : { ...facts, resumedBytes: facts.resumedBytes + blob.aheadBytes };
}

function actionOf(source: ImageSource): 'download' | 'read' {
  return source.kind === 'registry' ? 'download' : 'read';
}
