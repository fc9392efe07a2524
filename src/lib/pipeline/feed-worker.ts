/**
 * The main thread's side of one job in a worker: source bytes are packed into shared input slots and sent, until the
 * worker has said all there is to say or something failed.
 */
import type { Worker } from 'node:worker_threads';
import { ClipctlError } from '../errors.ts';
import { collectYoung } from './collect-garbage.ts';
import { SLOT_BYTES, SLOT_COUNT, type FromWorker, type ToWorker } from './layer-job.ts';
import { errorFromPlain } from './plain-error.ts';

const COLLECT_EVERY_BYTES = 8 * 1024 * 1024;

/** What the worker says, but for slots, room and failures. */
export type Answer = Exclude<FromWorker, { type: 'free' | 'grow' | 'failed' }>;

export interface FeedRequest<T> {
  /** The first takes the bytes; all of them may answer or fail. */
  readonly workers: readonly [Worker, ...Worker[]];
  readonly shared: SharedArrayBuffer;
  /** Opens the compressed bytes. The signal ends them when the job has failed elsewhere. */
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  readonly signal: AbortSignal;
  /** Bytes taken from the source so far. */
  readonly onBytes: (bytes: number) => void;
  /** Sends what begins the job. */
  readonly begin: () => void;
  /** Lets a layer grow that waits for it; what it throws fails the job. Undefined: none does. */
  readonly grow?: (endBytes: number, signal: AbortSignal) => Promise<void>;
  /** Takes an answer; gives the result when it was the last one. */
  readonly onAnswer: (answer: Answer) => T | undefined;
}

/** @throws what the workers and the source throw; the signal's reason */
export async function feedWorker<T>(request: FeedRequest<T>): Promise<T> {
  const { signal } = request;
  const feed = new WorkerFeed(request);
  const onAbort = (): void => feed.fail(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await feed.run();
  } finally {
    signal.removeEventListener('abort', onAbort);
    feed.stopListening();
  }
}

class WorkerFeed<T> {
  readonly #request: FeedRequest<T>;
  /** A Buffer, whose `fill` copies at full speed; `set` on memory that threads share goes word by word. */
  readonly #slots: Buffer;
  readonly #free: number[] = Array.from({ length: SLOT_COUNT }, (_, index) => index);
  readonly #source = new AbortController();
  readonly #deaf: (() => void)[] = [];
  #slot: number | undefined;
  #filled = 0;
  #takenBytes = 0;
  #uncollectedBytes = 0;
  #result: { readonly value: T } | undefined;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(request: FeedRequest<T>) {
    this.#request = request;
    this.#slots = Buffer.from(request.shared);
  }

  async run(): Promise<T> {
    for (const worker of this.#request.workers) this.#listen(worker);
    this.#request.begin();
    try {
      await this.#feed();
    } catch (error) {
      this.fail(error as Error);
    }
    while (this.#result === undefined && this.#failure === undefined) await this.#change();
    if (this.#failure !== undefined) throw this.#failure;
    return (this.#result as { readonly value: T }).value;
  }

  /** The first failure is the one to tell; it ends the source at once, however long that would have kept us waiting. */
  fail(error: Error): void {
    if (this.#failure === undefined) {
      this.#failure = error;
      this.#source.abort(error);
    }
    this.#wake?.();
  }

  stopListening(): void {
    for (const stop of this.#deaf.splice(0)) stop();
  }

  async #feed(): Promise<void> {
    for await (const piece of await this.#request.open(this.#source.signal)) {
      this.#takenBytes += piece.length;
      this.#uncollectedBytes += piece.length;
      if (this.#uncollectedBytes >= COLLECT_EVERY_BYTES) {
        this.#uncollectedBytes = 0;
        collectYoung();
      }
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
    const start = this.#slot * SLOT_BYTES + this.#filled;
    this.#slots.fill(piece.subarray(at, at + length), start, start + length);
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

  #listen(worker: Worker): void {
    const onMessage = (message: FromWorker): void => this.#hear(message);
    const onError = (error: unknown): void => this.fail(workerDied(error));
    const onExit = (code: number): void => this.fail(workerDied(new Error(`exit code ${code}`)));
    worker.ref();
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    this.#deaf.push(() => worker.off('message', onMessage).off('error', onError).off('exit', onExit));
  }

  #hear(message: FromWorker): void {
    if (message.type === 'failed') return this.fail(errorFromPlain(message.error));
    if (message.type === 'free') this.#free.push(message.slot);
    else if (message.type === 'grow') this.#grow(message.endBytes);
    else this.#takeAnswer(message);
    this.#wake?.();
  }

  #grow(endBytes: number): void {
    this.#request.grow?.(endBytes, this.#source.signal).catch((error: unknown) => this.fail(error as Error));
  }

  #takeAnswer(answer: Answer): void {
    try {
      const value = this.#request.onAnswer(answer);
      if (value !== undefined) this.#result = { value };
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #say(message: ToWorker): void {
    this.#request.workers[0].postMessage(message);
  }
}

function workerDied(cause: unknown): ClipctlError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ClipctlError('INTERNAL', `a layer worker died: ${reason}`, {
    cause,
    hint: 'If memory or open files (ulimit -n) are short, lower --jobs.',
  });
}
