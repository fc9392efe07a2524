/** The workers of the process: at most `size`, started when first needed, kept until the pool is closed. */
import { Worker } from 'node:worker_threads';
import { kernelModule } from '../compression/gzip/kernel-module.ts';
import type { WorkerData } from './layer-job.ts';
import { createPermitCell, hasPermit, releasePermit } from './window-permit.ts';
import { keepYoungGeneration } from './young-generation.ts';

/** Built by `npm run build`; sources run from a checkout (tests) use the built worker too. */
const WORKER_URL = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/layer-worker.js', import.meta.url)
  : new URL('./layer-worker.js', import.meta.url);

/** What a worker allocates dies at once: a young generation as large as V8 lets it grow would only be memory. */
const YOUNG_GENERATION_MB = 3;

export interface LendOptions {
  readonly signal: AbortSignal;
  /** Lend a second worker too when one is free now and nobody waits for it. */
  readonly wantsMate?: boolean;
}

export class WorkerPool {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiters: (() => void)[] = [];
  readonly #permitCell = createPermitCell();
  #busy = 0;

  constructor(size: number) {
    this.#size = Math.max(1, size);
  }

  /** Starts workers that are going to be needed, `count` at most. */
  startEarly(count: number): void {
    while (this.#all.size < Math.min(count, this.#size)) {
      const worker = this.#start();
      worker.unref();
      this.#idle.push(worker);
    }
  }

  /** Lends a worker, or two, to `use`. Those that saw `use` fail are not lent again: their state is unknown. */
  async run<T>(use: (worker: Worker, mate: Worker | undefined) => Promise<T>, options: LendOptions): Promise<T> {
    while (this.#busy >= this.#size) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    const hasMate = options.wantsMate === true && this.#busy + 2 <= this.#size && this.#waiters.length === 0;
    const count = hasMate ? 2 : 1;
    this.#busy += count;
    try {
      options.signal.throwIfAborted();
      return await this.#lend(count, use);
    } finally {
      this.#busy -= count;
      for (let freed = 0; freed < count; freed++) this.#waiters.shift()?.();
    }
  }

  /** Stops all workers. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => this.#drop(worker)));
    this.#idle.length = 0;
  }

  async #lend<T>(count: number, use: (worker: Worker, mate: Worker | undefined) => Promise<T>): Promise<T> {
    const lent = Array.from({ length: count }, () => this.#idle.pop() ?? this.#start());
    try {
      const [worker, mate] = lent as [Worker, Worker | undefined];
      const result = await use(worker, mate);
      await Promise.all(lent.map((worker) => this.#takeBack(worker)));
      return result;
    } catch (error) {
      await Promise.all(lent.map((worker) => this.#drop(worker)));
      throw error;
    }
  }

  /** One with a large zstd window goes: only its end gives the memory back, and lets the next large window be made. */
  async #takeBack(worker: Worker): Promise<void> {
    if (hasPermit(this.#permitCell, worker.threadId)) return this.#drop(worker);
    worker.unref();
    this.#idle.push(worker);
  }

  #start(): Worker {
    const worker = new Worker(WORKER_URL, {
      workerData: { permitCell: this.#permitCell, kernel: kernelModule() } satisfies WorkerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#all.add(worker);
    worker.once('online', keepYoungGeneration);
    // One that dies while it is idle is nobody's failure: it is not lent again. A busy one's borrower listens too.
    worker.on('error', () => this.#forget(worker));
    return worker;
  }

  async #drop(worker: Worker): Promise<void> {
    const { threadId } = worker;
    this.#forget(worker);
    await worker.terminate();
    releasePermit(this.#permitCell, threadId);
  }

  #forget(worker: Worker): void {
    this.#all.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
