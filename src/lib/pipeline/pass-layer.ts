/** One layer through one worker, the part on the main thread: source bytes are packed into shared input slots and sent. */
import type { Worker } from 'node:worker_threads';
import { ClipctlError } from '../errors.ts';
import type { FromWorker, LayerFacts, LayerJob, ToWorker } from './layer-job.ts';
import { SLOT_BYTES, SLOT_COUNT, SLOTS_BYTES, WORKING_SET_BYTES } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { errorFromPlain } from './plain-error.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface LayerPassRequest {
  readonly job: LayerJob;
  /** Opens the compressed bytes; called once memory and a worker are at hand. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
  readonly pool: WorkerPool;
  readonly budget: MemoryBudget;
  readonly signal: AbortSignal;
  /** Compressed bytes taken from the source so far. */
  readonly onBytes: (bytes: number) => void;
}

/** @throws what LayerPass and the source throw; ABORTED */
export async function passLayer(request: LayerPassRequest): Promise<LayerFacts> {
  const memory = await request.budget.acquireShared(SLOTS_BYTES, WORKING_SET_BYTES, request.signal);
  try {
    return await request.pool.run((worker) => new WorkerPass(worker, memory.shared, request).run(), request.signal);
  } finally {
    memory.release();
  }
}

class WorkerPass {
  readonly #worker: Worker;
  readonly #request: LayerPassRequest;
  readonly #shared: SharedArrayBuffer;
  readonly #slots: Uint8Array;
  readonly #free: number[] = Array.from({ length: SLOT_COUNT }, (_, index) => index);
  #slot: number | undefined;
  #filled = 0;
  #takenBytes = 0;
  #outcome: { facts?: LayerFacts; error?: Error } | undefined;
  #wake: (() => void) | undefined;

  constructor(worker: Worker, shared: SharedArrayBuffer, request: LayerPassRequest) {
    this.#worker = worker;
    this.#shared = shared;
    this.#slots = new Uint8Array(shared);
    this.#request = request;
  }

  async run(): Promise<LayerFacts> {
    const { signal } = this.#request;
    const onAbort = (): void => this.#settle({ error: signal.reason as Error });
    this.#listen();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      this.#worker.ref();
      this.#say({ type: 'begin', job: this.#request.job, slots: this.#shared });
      await this.#feed();
      return await this.#finish();
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#worker.removeAllListeners();
    }
  }

  async #feed(): Promise<void> {
    const bytes = await this.#request.open();
    for await (const piece of bytes) {
      this.#takenBytes += piece.length;
      for (let at = 0; at < piece.length && this.#outcome === undefined;) at += await this.#put(piece, at);
      // Leaving the loop closes the source.
      if (this.#outcome !== undefined) return;
      // An idle worker is worth more than a full slot.
      if (this.#free.length === SLOT_COUNT - 1 && this.#slot !== undefined) this.#send();
      this.#request.onBytes(this.#takenBytes);
    }
    this.#send();
    this.#say({ type: 'end' });
  }

  /** Copies what fits into the current slot; resolves to the number of bytes taken. */
  async #put(piece: Uint8Array, at: number): Promise<number> {
    while (this.#slot === undefined && this.#outcome === undefined) {
      this.#slot = this.#free.pop();
      if (this.#slot === undefined) await this.#change();
    }
    if (this.#slot === undefined) return 0;
    const length = Math.min(piece.length - at, SLOT_BYTES - this.#filled);
    this.#slots.set(piece.subarray(at, at + length), this.#slot * SLOT_BYTES + this.#filled);
    this.#filled += length;
    if (this.#filled === SLOT_BYTES) this.#send();
    return length;
  }

  #send(): void {
    if (this.#slot === undefined) return;
    this.#say({ type: 'piece', slot: this.#slot, length: this.#filled });
    this.#slot = undefined;
    this.#filled = 0;
  }

  async #finish(): Promise<LayerFacts> {
    while (this.#outcome === undefined) await this.#change();
    if (this.#outcome.facts !== undefined) return this.#outcome.facts;
    throw this.#outcome.error ?? new ClipctlError('INTERNAL', 'layer worker gave neither a result nor an error');
  }

  #listen(): void {
    this.#worker.removeAllListeners();
    this.#worker.on('message', (message: FromWorker) => {
      if (message.type === 'free') {
        this.#free.push(message.slot);
        this.#wake?.();
      } else if (message.type === 'done') this.#settle({ facts: message.facts });
      else this.#settle({ error: errorFromPlain(message.error) });
    });
    this.#worker.on('error', (error) => this.#settle({ error: workerDied(error) }));
    this.#worker.on('exit', (code) => this.#settle({ error: workerDied(new Error(`exit code ${code}`)) }));
  }

  #settle(outcome: { facts?: LayerFacts; error?: Error }): void {
    this.#outcome ??= outcome;
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}

function workerDied(cause: unknown): ClipctlError {
  return new ClipctlError('INTERNAL', 'a layer worker died', { cause, hint: 'If memory is short, lower --jobs.' });
}
