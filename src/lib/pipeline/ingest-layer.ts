/**
 * The spine (DESIGN §2): one layer from its source, through one pass in a worker, to a committed file of the disk cache
 * and to the facts an index is made of. Downloaded once and inflated once, however many of these were asked for.
 */
import type { DecompressionLimits } from '../compression/limits.ts';
import type { DiskCache } from '../cache/disk/disk-cache.ts';
import { errorCodeOf } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { contentHashOf } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { ImageSource } from '../source/image-source.ts';
import type { LayerFacts } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { passLayer } from './pass-layer.ts';
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
  /** Decompressed bytes between two checkpoints of a gzip layer; absent = none but the start. */
  readonly checkpointIntervalBytes?: number;
  /** Also compare the checksums inside of the compressed stream. */
  readonly checksums?: boolean;
  /** Commit the decompressed layer to the disk cache. */
  readonly keep: boolean;
  /** No other layer is still to start: this one may take two cores. */
  readonly isLast: boolean;
}

export interface IngestedLayer {
  readonly facts: LayerFacts;
  /** Compressed bytes taken from the source, re-fetches included. */
  readonly readBytes: number;
}

/** Wrong bytes from a registry may be a bad moment of a proxy: they are fetched once more, and no more. */
const WORTH_ONE_REFETCH: ReadonlySet<ErrorCode> = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** @throws ClipctlError of the source, of the layer's verification, of limits and of the disk; nothing is visible then */
export async function ingestLayer(context: PipelineContext, request: IngestRequest): Promise<IngestedLayer> {
  const { layer, source } = request;
  const about = { layer: layer.digest, action: actionOf(source) };
  context.onProgress({ type: 'layer-start', ...about, totalBytes: layer.sizeBytes, from: source.kind });
  const counter = { bytes: 0 };
  const facts = await ingestOnce(context, request, counter).catch((error: unknown) => {
    if (source.kind !== 'registry' || !WORTH_ONE_REFETCH.has(errorCodeOf(error))) throw error;
    context.onProgress({ type: 'retry', what: layer.digest, attempt: 1, waitMs: 0, reason: errorCodeOf(error) });
    return ingestOnce(context, request, counter);
  });
  context.onProgress({ type: 'layer-done', ...about, bytes: facts.compressedBytes });
  return { facts, readBytes: counter.bytes };
}

async function ingestOnce(context: PipelineContext, request: IngestRequest, counter: { bytes: number }): Promise<LayerFacts> {
  const { layer } = request;
  const { sizeBytes: atLeastBytes, diffId } = layer;
  const known = { atLeastBytes, hash: contentHashOf(diffId), signal: context.signal };
  const ingest = request.keep ? await context.disk.beginIngest(known) : undefined;
  try {
    const facts = await runPass(context, request, { ingestPath: ingest?.path, counter });
    await ingest?.commit(contentHashOf(facts.diffId), {
      sizeBytes: facts.uncompressedBytes,
      digestSeen: { digest: layer.digest, compressedBytes: facts.compressedBytes },
      signal: context.signal,
    });
    return facts;
  } catch (error) {
    await ingest?.discard();
    throw error;
  }
}

function runPass(
  context: PipelineContext,
  { layer, source, scan, isLast, checkpointIntervalBytes = 0, checksums = false }: IngestRequest,
  { ingestPath, counter }: { ingestPath: string | undefined; counter: { bytes: number } },
): Promise<LayerFacts> {
  const { signal, onProgress } = context;
  const before = counter.bytes;
  return passLayer({
    job: {
      expected: { digest: layer.digest, sizeBytes: layer.sizeBytes, diffId: layer.diffId },
      ingestPath,
      scan,
      checkpointIntervalBytes,
      checksums,
      limits: context.limits,
      maxEntries: context.maxEntries,
    },
    open: (ended) => source.openBlob(layer, { signal: ended }),
    pool: context.pool,
    budget: context.budget,
    signal,
    isLast,
    onBytes: (bytes) => {
      counter.bytes = before + bytes;
      onProgress({ type: 'layer-progress', layer: layer.digest, action: actionOf(source), bytes, totalBytes: layer.sizeBytes });
    },
  });
}

function actionOf(source: ImageSource): 'download' | 'read' {
  return source.kind === 'registry' ? 'download' : 'read';
}
