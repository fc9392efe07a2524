/** Layers are hashed in the workers: one a core. A small one is done before a worker would have started. */
import { hashFile } from '../cache/hash-file.ts';
import { feedWorker } from './feed-worker.ts';
import type { ToWorker } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { WorkerPool } from './worker-pool.ts';

const LEAST_BYTES = 8 * 1024 * 1024;
/** Large enough that a read costs little, small enough that its bytes are still in the core's cache when they are hashed. */
const BUFFER_BYTES = 256 * 1024;

const NOTHING: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
};

export interface HashOptions {
  readonly sizeBytes: number;
  readonly pool: WorkerPool;
  readonly budget: MemoryBudget;
  readonly signal: AbortSignal;
}

/**
 * The sha256 of a file in hex; `undefined` when it is missing, or changed meanwhile.
 * @throws ClipctlError STORAGE_*; the signal's reason, at once: the worker is ended then
 */
export function hashOnAllCores(path: string, options: HashOptions): Promise<string | undefined> {
  return options.sizeBytes < LEAST_BYTES ? hashFile(path, options) : hashInWorker(path, options);
}

async function hashInWorker(path: string, { pool, budget, signal }: HashOptions): Promise<string | undefined> {
  const memory = await budget.acquireShared(BUFFER_BYTES, BUFFER_BYTES, signal);
  try {
    const { hex } = await pool.run(
      (worker) =>
        feedWorker({
          workers: [worker],
          shared: memory.shared,
          // It reads for itself.
          open: () => Promise.resolve(NOTHING),
          signal,
          onBytes: () => undefined,
          begin: () => worker.postMessage({ type: 'begin-hash', path, shared: memory.shared } satisfies ToWorker),
          onAnswer: (answer) => (answer.type === 'hashed' ? answer : undefined),
        }),
      { signal },
    );
    return hex;
  } finally {
    memory.release();
  }
}
