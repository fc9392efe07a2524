/**
 * A layer that an index knows: fetched by parallel ranges, decompressed in parallel runs on all cores, straight into its
 * place in the ingest file. The compressed digest can't be computed that way; the layer is proven by its diffID. What a
 * stopped process had of it is gone on with (span-transfer.ts).
 */
import { hasKernel } from '../compression/gzip/kernel-inflate.ts';
import { ClipctlError, errorClassOf, errorCodeOf } from '../errors.ts';
import type { TransferKey } from '../cache/disk/ingest/journal.ts';
import { ownFileOf, type IngestFile } from '../cache/disk/ingest-file.ts';
import type { OwnFile } from '../cache/own-file.ts';
import { contentHashOf } from '../oci/digest.ts';
import { INTERRUPTIONS, type IngestRequest, type PipelineContext } from './ingest-layer.ts';
import { PrefixHash } from './prefix-hash.ts';
import { planRuns, type LayerMap, type SpanRun } from './span-plan.ts';
import { SpanTransfer, type BegunRun } from './span-transfer.ts';
import { takeRun, untilOneFails } from './take-runs.ts';

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
}

/** What another process must want to go on with it. */
export function spanTransferKey({ digest, sizeBytes, diffId }: IngestRequest['layer']): TransferKey {
  return { digest, sizeBytes, diffId, checkpointIntervalBytes: 0, isInSpans: true };
}

/** @throws ClipctlError DIFF_ID_MISMATCH, LAYER_CORRUPT, SIZE_MISMATCH, LIMIT_LAYER_SIZE, STORAGE_*, and of the source */
export async function ingestSpans(context: PipelineContext, request: SpanRequest): Promise<SpanIngest> {
  const { layer, map, source } = request;
  if (map.uncompressedBytes > context.limits.maxLayerBytes) throw tooLarge(context, map);
  const isKept = source.kind === 'registry';
  const ingest = await context.disk.beginIngest({
    sizeBytes: map.uncompressedBytes,
    signal: context.signal,
    hash: contentHashOf(layer.diffId),
    ...(isKept && { transfer: spanTransferKey(layer) }),
  });
  try {
    const taken = await fillFile(context, request, ingest);
    await ingest.commit(contentHashOf(layer.diffId), { sizeBytes: map.uncompressedBytes, signal: context.signal });
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
  const file = ownFileOf(ingest);
  const hash = new PrefixHash(file);
  const transfer = await SpanTransfer.open(ingest, { parallel });
  let taken: Taken;
  try {
    taken = await takeRuns(context, request, { file, hash, transfer });
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
  readonly file: OwnFile;
  readonly hash: PrefixHash;
  readonly transfer: SpanTransfer;
}

/** Takes all runs; the first failure stops the others. */
async function takeRuns(context: PipelineContext, request: SpanRequest, target: IngestTarget): Promise<Taken> {
  const { transfer, hash, file } = target;
  const { layer, source } = request;
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
    const fetchFrom = (start: number, ended: AbortSignal): Promise<AsyncIterable<Uint8Array>> =>
      source.openBlob(layer, { signal: ended, range: { start, end: run.compressedEnd } });
    const open = (ended: AbortSignal) => bytes.bytes((start) => fetchFrom(start, ended));
    await takeRun({ ...context, signal }, { digest: layer.digest, run, ingestFile: file, open, onBytes });
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

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((total, bytes) => total + bytes, 0);
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
