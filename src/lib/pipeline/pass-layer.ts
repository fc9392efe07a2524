/**
 * One whole layer through one worker. When a second worker is idle and no other layer needs it, the layer is split: one
 * inflates, the other takes the outputs.
 */
import { MessageChannel, type Worker } from 'node:worker_threads';
import type { IngestGrowth } from '../cache/disk/ingest-file.ts';
import { feedWorker, type FeedRequest } from './feed-worker.ts';
import { createGrowthCell, grantGrowth } from './growth-gate.ts';
import { clearHandover } from './handover.ts';
import { layerFactsOf } from './layer-facts.ts';
import { WORKING_SET_BYTES } from './layer-job.ts';
import type { DecodedFacts, LayerFacts, LayerJob, OutputFacts, ToWorker } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { SHARED_BYTES } from './output-ring.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface LayerPassRequest extends Pick<FeedRequest<LayerFacts>, 'open' | 'signal' | 'onBytes'> {
  readonly job: Omit<LayerJob, 'growth'>;
  /** Undefined: its file may get as large as it is. */
  readonly growth?: IngestGrowth;
  readonly pool: WorkerPool;
  readonly budget: MemoryBudget;
  /** No other layer is waiting for a worker: this one may take two. */
  readonly isLast: boolean;
}

/** @throws what LayerPass, LayerOutputs and the source throw; the signal's reason */
export async function passLayer(request: LayerPassRequest): Promise<LayerFacts> {
  const { signal, isLast, pool, budget } = request;
  const memory = await budget.acquireShared(SHARED_BYTES, WORKING_SET_BYTES, signal);
  try {
    return await pool.run((worker, mate) => passThrough(request, { worker, mate, shared: memory.shared }), {
      signal,
      wantsMate: isLast,
    });
  } finally {
    memory.release();
  }
}

interface Threads {
  readonly worker: Worker;
  /** Takes the outputs of a split layer. */
  readonly mate: Worker | undefined;
  readonly shared: SharedArrayBuffer;
}

function passThrough(request: LayerPassRequest, threads: Threads): Promise<LayerFacts> {
  const { open, signal, onBytes, growth } = request;
  const cell = growth && createGrowthCell(growth.grantedBytes);
  const job = { ...request.job, ...(cell && { growth: cell }) };
  const { worker, mate, shared } = threads;
  let decoded: DecodedFacts | undefined;
  let outputs: OutputFacts | undefined;
  return feedWorker<LayerFacts>({
    workers: mate === undefined ? [worker] : [worker, mate],
    shared,
    open,
    signal,
    onBytes,
    begin: () => begin(job, threads),
    ...(growth && cell && { grow: async (end, ended) => grantGrowth(cell, await growth.more(end, ended)) }),
    onAnswer: (answer) => {
      if (answer.type === 'decoded') decoded = answer.facts;
      else if (answer.type === 'outputs') outputs = answer.facts;
      return decoded === undefined || outputs === undefined ? undefined : layerFactsOf(job, decoded, outputs);
    },
  });
}

function begin(job: LayerJob, { worker, mate, shared }: Threads): void {
  if (mate === undefined) return worker.postMessage({ type: 'begin', job, shared } satisfies ToWorker);
  clearHandover(shared);
  const { port1, port2 } = new MessageChannel();
  mate.postMessage({ type: 'begin-outputs', job, link: { shared, port: port2 } } satisfies ToWorker, [port2]);
  worker.postMessage({ type: 'begin', job, shared, link: { shared, port: port1 } } satisfies ToWorker, [port1]);
}
