/**
 * A layer that an index knows: fetched by parallel ranges, decompressed in parallel runs on all cores, straight into its
 * place in the ingest file. The compressed digest can't be computed that way; the layer is proven by its diffID. What a
 * stopped process had of it is gone on with (span-transfer.ts).
 */
import { hasKernel } from '../compression/gzip/kernel-inflate.ts';
import { ClipctlError, errorClassOf, errorCodeOf } from '../errors.ts';
import type { TransferKey } from '../cache/disk/ingest/journal.ts';
import type { IngestFile } from '../cache/disk/ingest-file.ts';
import { contentHashOf } from '../oci/digest.ts';
import { feedWorker } from './feed-worker.ts';
import { INTERRUPTIONS, type IngestRequest, type PipelineContext } from './ingest-layer.ts';
import { WORKING_SET_BYTES, type ToWorker } from './layer-job.ts';
import { SHARED_BYTES } from './output-ring.ts';
import { PrefixHash } from './prefix-hash.ts';
import { runLimited } from './run-limited.ts';
import { planRuns, type LayerMap, type SpanRun } from './span-plan.ts';
import { SpanTransfer, type BegunRun } from './span-transfer.ts';

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

/** What another process must want to go on with it. */
export function spanTransferKey({ digest, sizeBytes, diffId }: IngestRequest['layer']): TransferKey {
  return { digest, sizeBytes, diffId, checkpointIntervalBytes: 0, isInSpans: true };
}

/** @throws ClipctlError DIFF_ID_MISMATCH, LAYER_CORRUPT, SIZE_MISMATCH, LIMIT_LAYER_SIZE, STORAGE_*, and of the source */
export async function ingestSpans(context: PipelineContext, request: SpanRequest): Promise<SpanIngest> {
  const { layer, map, source, keep = true } = request;
  if (map.uncompressedBytes > context.limits.maxLayerBytes) throw tooLarge(context, map);
  const isKept = keep && source.kind === 'registry';
  const ingest = await context.disk.beginIngest({
    sizeBytes: map.uncompressedBytes,
    hash: contentHashOf(layer.diffId),
    ...(isKept && { transfer: spanTransferKey(layer) }),
  });
  try {
    const taken = await fillFile(context, request, ingest);
    if (keep) await ingest.commit(contentHashOf(layer.diffId), { sizeBytes: map.uncompressedBytes, signal: context.signal });
    await ingest.discard();
    return { uncompressedBytes: map.uncompressedBytes, ...taken };
  } catch (error) {
    await (isKept && INTERRUPTIONS.has(errorClassOf(errorCodeOf(error))) ? ingest.suspend() : ingest.discard());
    throw error;
  }
}

type Taken = Pick<SpanIngest, 'readBytes' | 'resumedBytes'>;

/** Brings the layer into the file, and proves it. */
async function fillFile(context: PipelineContext, request: SpanRequest, ingest: IngestFile): Promise<Taken> {
  const { layer, runs, parallel } = request;
  const hash = new PrefixHash(ingest.path);
  const transfer = await SpanTransfer.open(ingest, { parallel });
  let taken: Taken;
  try {
    taken = await takeRuns(context, request, { path: ingest.path, hash, transfer });
  } finally {
    await transfer.close();
  }
  const diffId = await hash.finish();
  if (diffId === layer.diffId) return taken;
  throw new ClipctlError('DIFF_ID_MISMATCH', `layer has the wrong diffID: expected ${layer.diffId}, got ${diffId}`, {
    details: { layer: layer.digest, expected: layer.diffId, actual: diffId, spans: runs.length },
  });
}

interface IngestTarget {
  readonly path: string;
  readonly hash: PrefixHash;
  readonly transfer: SpanTransfer;
}

/** Takes all runs; the first failure stops the others. */
async function takeRuns(context: PipelineContext, request: SpanRequest, target: IngestTarget): Promise<Taken> {
  const { transfer, hash, path } = target;
  const done = request.runs.filter((run) => transfer.isDone(run));
  const toCome = request.runs.filter((run) => !transfer.isDone(run));
  for (const run of done) hash.complete(run.uncompressedStart, run.uncompressedEnd);
  transfer.forgetAllBut(toCome);
  const begun = toCome.map((run) => transfer.begin(run));
  const resumedBytes = sumOf(done.map(compressedBytesOf)) + sumOf(begun.map(({ keptBytes }) => keptBytes));
  const readBytes = toCome.map(() => 0);
  const noted: Promise<void>[] = [];
  const takeOne = async (run: SpanRun, at: number, signal: AbortSignal): Promise<void> => {
    const bytes = begun[at] as BegunRun;
    const onBytes = (taken: number): void => {
      readBytes[at] = Math.max(0, taken - bytes.keptBytes);
      report(context, request, resumedBytes + sumOf(readBytes));
    };
    // The disk may be slower than the network: what is not noted yet takes space twice.
    await noted[at - 2 * request.parallel];
    await takeRun({ ...context, signal }, request, { run, path, bytes, onBytes });
    hash.complete(run.uncompressedStart, run.uncompressedEnd);
    noted[at] = bytes.done();
  };
  await untilOneFails(toCome, { parallel: request.parallel, signal: context.signal, take: takeOne });
  return { readBytes: sumOf(readBytes), resumedBytes };
}

function compressedBytesOf({ compressedStart, compressedEnd }: SpanRun): number {
  return compressedEnd - compressedStart;
}

function report({ onProgress }: PipelineContext, { layer, source }: SpanRequest, bytes: number): void {
  const action = source.kind === 'registry' ? 'download' : 'read';
  onProgress({ type: 'layer-progress', layer: layer.digest, action, bytes, totalBytes: layer.sizeBytes });
}

interface RunLanes {
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly take: (run: SpanRun, at: number, signal: AbortSignal) => Promise<void>;
}

async function untilOneFails(runs: readonly SpanRun[], { parallel, signal, take }: RunLanes): Promise<void> {
  const stopped = new AbortController();
  const either = AbortSignal.any([signal, stopped.signal]);
  await runLimited(runs, parallel, async (run, at) => {
    try {
      either.throwIfAborted();
      await take(run, at, either);
    } catch (error) {
      stopped.abort(error);
      throw error;
    }
  });
  signal.throwIfAborted();
  if (stopped.signal.aborted) throw stopped.signal.reason as Error;
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((total, bytes) => total + bytes, 0);
}

interface RunTarget {
  readonly run: SpanRun;
  readonly path: string;
  readonly bytes: BegunRun;
  readonly onBytes: (bytes: number) => void;
}

async function takeRun(
  context: PipelineContext,
  { layer, source }: SpanRequest,
  { run, path, bytes, onBytes }: RunTarget,
): Promise<void> {
  const { budget, pool, signal } = context;
  const memory = await budget.acquireShared(SHARED_BYTES, WORKING_SET_BYTES, signal);
  const fetchFrom = (start: number, ended: AbortSignal): Promise<AsyncIterable<Uint8Array>> =>
    source.openBlob(layer, { signal: ended, range: { start, end: run.compressedEnd } });
  const job = { digest: layer.digest, run: withOwnWindow(run), ingestPath: path };
  try {
    await pool.run(
      (worker) =>
        feedWorker({
          workers: [worker],
          shared: memory.shared,
          open: (ended) => Promise.resolve(bytes.bytes((start) => fetchFrom(start, ended))),
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
