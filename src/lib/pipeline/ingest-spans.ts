/**
 * A layer that an index knows: fetched by parallel ranges, decompressed in parallel runs on all cores, straight into its
 * place in the ingest file. The compressed digest can't be computed that way; the layer is proven by its diffID.
 */
import { EarlyFlush } from '../cache/early-flush.ts';
import { hasKernel } from '../compression/gzip/kernel-inflate.ts';
import { ClipctlError } from '../errors.ts';
import { contentHashOf } from '../oci/digest.ts';
import { feedWorker } from './feed-worker.ts';
import type { IngestRequest, PipelineContext } from './ingest-layer.ts';
import { WORKING_SET_BYTES, type ToWorker } from './layer-job.ts';
import { SHARED_BYTES } from './output-ring.ts';
import { PrefixHash } from './prefix-hash.ts';
import { runLimited } from './run-limited.ts';
import { planRuns, type LayerMap, type SpanRun } from './span-plan.ts';

export interface SpanIngest {
  readonly uncompressedBytes: number;
  /** Compressed bytes taken from the source. */
  readonly readBytes: number;
  /** Compressed bytes that an earlier transfer had brought. */
  readonly resumedBytes: number;
}

/** Whether cutting the layer pays: `undefined` = take it in one stream. */
export function runsWorthTaking(map: LayerMap, parallel: number): SpanRun[] | undefined {
  if (parallel < 2) return undefined;
  // node:zlib, the fallback, can't start inside of a stream.
  if (map.compression === 'gzip' && !hasKernel()) return undefined;
  const runs = planRuns(map);
  return runs.length < 2 ? undefined : runs;
}

export interface SpanRequest extends Pick<IngestRequest, 'layer' | 'source'> {
  readonly map: LayerMap;
  readonly runs: readonly SpanRun[];
  /** Runs in flight at once. */
  readonly parallel: number;
  /** False: the layer is only proven, not committed. Default true. */
  readonly keep?: boolean;
}

/** @throws ClipctlError DIFF_ID_MISMATCH, LAYER_CORRUPT, SIZE_MISMATCH, LIMIT_LAYER_SIZE, STORAGE_*, and of the source */
export async function ingestSpans(context: PipelineContext, request: SpanRequest): Promise<SpanIngest> {
  const { layer, map, runs, keep = true } = request;
  if (map.uncompressedBytes > context.limits.maxLayerBytes) throw tooLarge(context, map);
  const ingest = await context.disk.beginIngest({ sizeBytes: map.uncompressedBytes, hash: contentHashOf(layer.diffId) });
  try {
    const hash = new PrefixHash(ingest.path);
    const flush = new EarlyFlush(ingest.path, keep && ingest.durability === 'full');
    const readBytes = await takeRuns(context, request, { path: ingest.path, hash, flush });
    const diffId = await hash.finish();
    await flush.finish();
    if (diffId !== layer.diffId) {
      throw new ClipctlError('DIFF_ID_MISMATCH', `layer has the wrong diffID: expected ${layer.diffId}, got ${diffId}`, {
        details: { layer: layer.digest, expected: layer.diffId, actual: diffId, spans: runs.length },
      });
    }
    if (keep) await ingest.commit(contentHashOf(diffId), { sizeBytes: map.uncompressedBytes, signal: context.signal });
    return { uncompressedBytes: map.uncompressedBytes, readBytes, resumedBytes: 0 };
  } finally {
    await ingest.discard();
  }
}

interface IngestTarget {
  readonly path: string;
  readonly hash: PrefixHash;
  readonly flush: EarlyFlush;
}

/** Takes all runs; the first failure stops the others. Gives the bytes read. */
async function takeRuns(context: PipelineContext, request: SpanRequest, target: IngestTarget): Promise<number> {
  const stopped = new AbortController();
  const signal = AbortSignal.any([context.signal, stopped.signal]);
  const readBytes = request.runs.map(() => 0);
  const report = (at: number, bytes: number): void => {
    readBytes[at] = bytes;
    const { layer, source } = request;
    const action = source.kind === 'registry' ? 'download' : 'read';
    context.onProgress({
      type: 'layer-progress',
      layer: layer.digest,
      action,
      bytes: sumOf(readBytes),
      totalBytes: layer.sizeBytes,
    });
  };
  await runLimited(request.runs, request.parallel, async (run, at) => {
    try {
      signal.throwIfAborted();
      await takeRun({ ...context, signal }, request, { run, path: target.path, onBytes: (bytes) => report(at, bytes) });
      target.hash.complete(run.uncompressedStart, run.uncompressedEnd);
      target.flush.start();
    } catch (error) {
      stopped.abort(error);
      throw error;
    }
  });
  context.signal.throwIfAborted();
  if (stopped.signal.aborted) throw stopped.signal.reason as Error;
  return sumOf(readBytes);
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((total, bytes) => total + bytes, 0);
}

interface RunTarget {
  readonly run: SpanRun;
  readonly path: string;
  readonly onBytes: (bytes: number) => void;
}

async function takeRun(
  context: PipelineContext,
  { layer, source }: SpanRequest,
  { run, path, onBytes }: RunTarget,
): Promise<void> {
  const { budget, pool, signal } = context;
  const memory = await budget.acquireShared(SHARED_BYTES, WORKING_SET_BYTES, signal);
  const range = { start: run.compressedStart, end: run.compressedEnd };
  const job = { digest: layer.digest, run: withOwnWindow(run), ingestPath: path };
  try {
    await pool.run(
      (worker) =>
        feedWorker({
          workers: [worker],
          shared: memory.shared,
          open: (ended) => source.openBlob(layer, { signal: ended, range }),
          signal,
          onBytes,
          begin: () => worker.postMessage({ type: 'begin-span', job, shared: memory.shared } satisfies ToWorker),
          onAnswer: (answer) => (answer.type === 'span' ? true : undefined),
        }),
      { signal },
    );
  } finally {
    memory.release();
  }
}

/** A message brings a worker the whole memory that a view looks into: here, the windows of all checkpoints. */
function withOwnWindow(run: SpanRun): SpanRun {
  const { checkpoint } = run;
  return checkpoint === undefined ? run : { ...run, checkpoint: { ...checkpoint, window: checkpoint.window.slice() } };
}

function tooLarge({ limits }: PipelineContext, { uncompressedBytes }: LayerMap): ClipctlError {
  return new ClipctlError(
    'LIMIT_LAYER_SIZE',
    `layer has ${uncompressedBytes} bytes decompressed, ${limits.maxLayerBytes} are allowed`,
    {
      hint: 'Raise --max-layer-size if you trust this image.',
    },
  );
}
