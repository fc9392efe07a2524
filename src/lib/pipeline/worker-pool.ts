/** The workers of the process: at most `size`, started when first needed, kept until the pool is closed. */
import { Worker } from 'node:worker_threads';

/** Built by `npm run build`; sources run from a checkout (tests) use the built worker too. */
const WORKER_URL = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/layer-worker.js', import.meta.url)
  : new URL('./layer-worker.js', import.meta.url);

export class WorkerPool {
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiters: (() => void)[] = [];
  #busy = 0;

  constructor(size: number) {
    this.#size = Math.max(1, size);
  }

  /** Lends a worker to `use`. One that failed `use` by throwing is not lent again: its state is unknown. */
  async run<T>(use: (worker: Worker) => Promise<T>, signal: AbortSignal): Promise<T> {
    while (this.#busy >= this.#size) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    this.#busy++;
    try {
      signal.throwIfAborted();
      const worker = this.#idle.pop() ?? this.#start();
      try {
        const result = await use(worker);
        worker.unref();
        this.#idle.push(worker);
        return result;
      } catch (error) {
        await this.#drop(worker);
        throw error;
      }
    } finally {
      this.#busy--;
      this.#waiters.shift()?.();
    }
  }

  /** Stops all workers. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => this.#drop(worker)));
    this.#idle.length = 0;
  }

  #start(): Worker {
    const worker = new Worker(WORKER_URL);
    this.#all.add(worker);
    return worker;
  }

  async #drop(worker: Worker): Promise<void> {
    this.#all.delete(worker);
    worker.removeAllListeners();
    await worker.terminate();
  }
}
