/**
 * Whether each place where an index says that a decoder can start is one: what is decompressed from there to the next is
 * held to what the whole layer had there. Nothing is written.
 */
import { ClipctlError } from '../errors.ts';
import type { IngestRequest, PipelineContext } from './ingest-layer.ts';
import type { SpanRun } from './span-plan.ts';
import { takeRun, untilOneFails } from './take-runs.ts';

const DIGEST_BYTES = 32;

export interface SpanProof extends Pick<IngestRequest, 'layer' | 'source'> {
  readonly runs: readonly SpanRun[];
  /** sha256 of each run, as the whole layer gave it when it was cut at the ends of the runs (LayerFacts). */
  readonly digests: Uint8Array;
  /** Runs in flight at once. */
  readonly parallel: number;
}

/** @throws ClipctlError CLIP_INVALID, LAYER_CORRUPT, SIZE_MISMATCH, and of the source */
export async function proveSpans(context: PipelineContext, proof: SpanProof): Promise<void> {
  const { layer, source, runs, digests, parallel } = proof;
  const readBytes = runs.map(() => 0);
  const takeOne = async (run: SpanRun, at: number, signal: AbortSignal): Promise<void> => {
    const range = { start: run.compressedStart, end: run.compressedEnd };
    const sha256 = await takeRun(
      { ...context, signal },
      {
        digest: layer.digest,
        run,
        ingestPath: undefined,
        open: (ended) => blobOf(() => source.openBlob(layer, { signal: ended, range })),
        onBytes: (bytes) => {
          readBytes[at] = bytes;
          report(context, proof, readBytes);
        },
      },
    );
    const expected = digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
    if (sha256 === undefined || Buffer.compare(sha256, expected) !== 0) throw wrongSpan(proof, run);
  };
  await untilOneFails(runs, { parallel, signal: context.signal, take: takeOne });
}

/** Opened when it is read. */
async function* blobOf(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* await open();
}

function report({ onProgress }: PipelineContext, { layer, source }: SpanProof, readBytes: readonly number[]): void {
  const bytes = readBytes.reduce((sum, each) => sum + each, 0);
  const action = source.kind === 'registry' ? 'download' : 'read';
  onProgress({ type: 'layer-progress', layer: layer.digest, action, bytes, totalBytes: layer.sizeBytes });
}

function wrongSpan({ layer }: SpanProof, { uncompressedStart, compressedStart }: SpanRun): ClipctlError {
  return new ClipctlError(
    'CLIP_INVALID',
    `the index has a place to start at byte ${compressedStart} of layer ${layer.digest}, and what comes from there is not what the layer has at byte ${uncompressedStart}`,
    { details: { layer: layer.digest, compressedOffset: compressedStart, uncompressedOffset: uncompressedStart } },
  );
}
