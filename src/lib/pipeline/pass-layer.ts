/**
 * One layer through one worker, the part on the main thread: source bytes are packed into shared input slots and sent.
 * When a second worker is idle and no other layer needs it, the layer is split: one inflates, the other takes the outputs.
 */
import { MessageChannel, type Worker } from 'node:worker_threads';
import { ClipctlError } from '../errors.ts';
import { layerFactsOf } from './layer-facts.ts';
import type { DecodedFacts, FromWorker, LayerFacts, LayerJob, OutputFacts, ToWorker } from './layer-job.ts';
import { SLOT_BYTES, SLOT_COUNT, WORKING_SET_BYTES } from './layer-job.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { SHARED_BYTES } from './output-ring.ts';
import { errorFromPlain } from './plain-error.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface LayerPassRequest {
  readonly job: LayerJob;
  /** Opens the compressed bytes; called once memory and a worker are at hand. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
  readonly pool: WorkerPool;
  readonly budget: MemoryBudget;
  readonly signal: AbortSignal;
  /** No other layer is waiting for a worker: this one may take two. */
  readonly isLast: boolean;
  /** Compressed bytes taken from the source so far. */
  readonly onBytes: (bytes: number) => void;
}

/** @throws what LayerPass, LayerOutputs and the source throw; ABORTED */
export async function passLayer(request: LayerPassRequest): Promise<LayerFacts> {
  const { signal, isLast } = request;
  const memory = await request.budget.acquireShared(SHARED_BYTES, WORKING_SET_BYTES, signal);
  try {
    const lend = { signal, wantsMate: isLast };
    return await request.pool.run((worker, mate) => new WorkerPass({ worker, mate, shared: memory.shared }, request).run(), lend);
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

class WorkerPass {
  readonly #threads: Threads;
  readonly #request: LayerPassRequest;
  readonly #slots: Uint8Array;
  readonly #free: number[] = Array.from({ length: SLOT_COUNT }, (_, index) => index);
  #slot: number | undefined;
  #filled = 0;
  #takenBytes = 0;
  #decoded: DecodedFacts | undefined;
  #outputs: OutputFacts | undefined;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(threads: Threads, request: LayerPassRequest) {
    this.#threads = threads;
    this.#slots = new Uint8Array(threads.shared);
    this.#request = request;
  }

  async run(): Promise<LayerFacts> {
    const { signal } = this.#request;
    const onAbort = (): void => this.#fail(signal.reason as Error);
    const { worker, mate } = this.#threads;
    this.#listen(worker);
    if (mate !== undefined) this.#listen(mate);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      this.#begin();
      await this.#feed();
      return await this.#finish();
    } finally {
      signal.removeEventListener('abort', onAbort);
      worker.removeAllListeners();
      mate?.removeAllListeners();
    }
  }

  #begin(): void {
    const { worker, mate, shared } = this.#threads;
    const { job } = this.#request;
    worker.ref();
    if (mate === undefined) return this.#say({ type: 'begin', job, shared });
    mate.ref();
    const { port1, port2 } = new MessageChannel();
    mate.postMessage({ type: 'begin-outputs', job, link: { shared, port: port2 } } satisfies ToWorker, [port2]);
    worker.postMessage({ type: 'begin', job, shared, link: { shared, port: port1 } } satisfies ToWorker, [port1]);
  }

  async #feed(): Promise<void> {
    const bytes = await this.#request.open();
    for await (const piece of bytes) {
      this.#takenBytes += piece.length;
      for (let at = 0; at < piece.length && this.#failure === undefined;) at += await this.#put(piece, at);
      // Leaving the loop closes the source.
      if (this.#failure !== undefined) return;
      // An idle worker is worth more than a full slot.
      if (this.#free.length === SLOT_COUNT - 1 && this.#slot !== undefined) this.#send();
      this.#request.onBytes(this.#takenBytes);
    }
    this.#send();
    this.#say({ type: 'end' });
  }

  /** Copies what fits into the current slot; resolves to the number of bytes taken. */
  async #put(piece: Uint8Array, at: number): Promise<number> {
    while (this.#slot === undefined && this.#failure === undefined) {
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
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#decoded !== undefined && this.#outputs !== undefined)
        return layerFactsOf(this.#request.job, this.#decoded, this.#outputs);
      await this.#change();
    }
  }

  #listen(worker: Worker): void {
    worker.removeAllListeners();
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'free') this.#free.push(message.slot);
      else if (message.type === 'decoded') this.#decoded = message.facts;
      else if (message.type === 'outputs') this.#outputs = message.facts;
      else this.#fail(errorFromPlain(message.error));
      this.#wake?.();
    });
    worker.on('error', (error) => this.#fail(workerDied(error)));
    worker.on('exit', (code) => this.#fail(workerDied(new Error(`exit code ${code}`))));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #say(message: ToWorker): void {
    this.#threads.worker.postMessage(message);
  }
}

function workerDied(cause: unknown): ClipctlError {
  return new ClipctlError('INTERNAL', 'a layer worker died', { cause, hint: 'If memory is short, lower --jobs.' });
}
