/** The runs of a layer that an index knows, each through a worker, several at once. */
import { feedWorker } from './feed-worker.ts';
import type { PipelineContext } from './ingest-layer.ts';
import { WORKING_SET_BYTES, type SpanJob, type ToWorker } from './layer-job.ts';
import { SHARED_BYTES } from './output-ring.ts';
import { runLimited } from './run-limited.ts';
import type { SpanRun } from './span-plan.ts';

interface RunLanes {
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly take: (run: SpanRun, at: number, signal: AbortSignal) => Promise<void>;
}

/** Takes all runs; the first failure stops the others. @throws that failure; the signal's reason */
export async function untilOneFails(runs: readonly SpanRun[], { parallel, signal, take }: RunLanes): Promise<void> {
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

export interface RunToTake extends SpanJob {
  /** The compressed bytes of the run. */
  readonly open: (ended: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Compressed bytes so far. */
  readonly onBytes: (bytes: number) => void;
}

/** @returns the sha256 of what was not written. @throws ClipctlError LAYER_CORRUPT, SIZE_MISMATCH, CLIP_INVALID, STORAGE_*, and of the source */
export async function takeRun(
  { budget, pool, signal }: PipelineContext,
  { open, onBytes, digest, run, ingestPath }: RunToTake,
): Promise<Uint8Array | undefined> {
  const memory = await budget.acquireShared(SHARED_BYTES, WORKING_SET_BYTES, signal);
  const job = { digest, run: withOwnWindow(run), ingestPath };
  try {
    const { sha256 } = await pool.run(
      (worker) =>
        feedWorker({
          workers: [worker],
          shared: memory.shared,
          open: (ended) => Promise.resolve(open(ended)),
          signal,
          onBytes,
          begin: () => worker.postMessage({ type: 'begin-span', job, shared: memory.shared } satisfies ToWorker),
          onAnswer: (answer) => (answer.type === 'span' ? answer : undefined),
        }),
      { signal },
    );
    return sha256;
  } finally {
    memory.release();
  }
}

/** A message brings a worker the whole memory that a view looks into: here, the windows of all checkpoints. */
function withOwnWindow(run: SpanRun): SpanRun {
  const { checkpoint } = run;
  return checkpoint === undefined ? run : { ...run, checkpoint: { ...checkpoint, window: checkpoint.window.slice() } };
}
