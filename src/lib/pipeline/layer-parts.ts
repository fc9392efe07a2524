/**
 * A layer straight through (`--no-disk`): source bytes go to a worker, which checks and inflates them, and come back in
 * parts of 8 MiB from the budget. The last part is given only after digest and diffID hold, so nobody who publishes at
 * the end of the parts publishes a wrong layer.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { feedWorker } from './feed-worker.ts';
import type { IngestRequest, PipelineContext } from './ingest-layer.ts';
import { layerFactsOf } from './layer-facts.ts';
import {
  WORKING_SET_BYTES,
  type DecodedFacts,
  type LayerFacts,
  type LayerJob,
  type OutputFacts,
  type ToWorker,
} from './layer-job.ts';
import type { BufferLease } from './memory-budget.ts';
import { RingReader, SHARED_BYTES, type RingMessage } from './output-ring.ts';

/** Kept until it is acknowledged; above the 5 MiB that S3 asks of a part. */
export const PART_BYTES = 8 * 1024 * 1024;
/** What drivers may need while parts wait: never taken for one more part. */
const HEADROOM_BYTES = 4 * 1024 * 1024;
/** A layer that goes straight through. */
const THROUGH_BYTES = WORKING_SET_BYTES + PART_BYTES;

export interface LayerPart {
  readonly offset: number;
  /** Valid until the part is released. */
  readonly bytes: Uint8Array;
  /** Nothing follows, and the layer has proven right. */
  readonly isLast: boolean;
  release(): void;
}

export interface ThroughRequest extends Pick<IngestRequest, 'layer' | 'source'> {
  /** Compressed bytes taken from the source so far. */
  readonly onBytes: (bytes: number) => void;
}

/** Layers that may go straight through at once: each holds a part while its drivers wait for memory. */
export function throughAtOnce({ budget }: Pick<PipelineContext, 'budget'>): number {
  return Math.max(1, Math.floor((budget.limitBytes - HEADROOM_BYTES) / THROUGH_BYTES));
}

/** Nothing is read before the parts are iterated, which can be done once. @throws, while iterating, as ingestLayer */
export function layerParts(context: PipelineContext, request: ThroughRequest): AsyncIterable<LayerPart> {
  return new ThroughPass(context, request);
}

class ThroughPass {
  readonly #context: PipelineContext;
  readonly #request: ThroughRequest;
  readonly #stopped = new AbortController();
  /** What the worker said and nobody has taken yet. */
  readonly #messages: RingMessage[] = [];
  #failure: unknown;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(context: PipelineContext, request: ThroughRequest) {
    this.#context = context;
    this.#request = request;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LayerPart, void, undefined> {
    const { budget, signal } = this.#context;
    const memory = await budget.acquireShared(SHARED_BYTES, THROUGH_BYTES, signal);
    const { port1, port2 } = new MessageChannel();
    const ring = new RingReader({ shared: memory.shared, port: port1 });
    port1.on('message', (message: RingMessage) => this.#hear(message));
    const running = this.#run(memory.shared, port2);
    const own = budget.bufferWithin(PART_BYTES);
    const buffers = new PartBuffers(this.#context, own);
    try {
      yield* this.#parts(ring, buffers);
    } finally {
      this.#stopped.abort(new DOMException('nobody wants the layer any more', 'AbortError'));
      ring.stop();
      port1.close();
      await running;
      // Not waited for: who holds the last part until the end of the parts has been told would never let it go.
      void buffers.allBack().then(() => (memory.release(), own.release()));
    }
  }

  async *#parts(ring: RingReader, buffers: PartBuffers): AsyncGenerator<LayerPart, void, undefined> {
    let part = await buffers.take();
    let filled = 0;
    let offset = 0;
    try {
      for (let message = await this.#next(); message !== 'end'; message = await this.#next()) {
        const slot = ring.next(message.length);
        for (let at = 0; at < slot.length;) {
          // Full, and more follows: it is not the last.
          if (filled === PART_BYTES) {
            yield buffers.lend(part, { offset, length: filled, isLast: false });
            offset += filled;
            filled = 0;
            part = await buffers.take();
          }
          const piece = slot.subarray(at, at + PART_BYTES - filled);
          part.buffer.set(piece, filled);
          filled += piece.length;
          at += piece.length;
        }
        ring.free();
      }
      await this.#end();
      const last = buffers.lend(part, { offset, length: filled, isLast: true });
      if (filled > 0) yield last;
      else last.release();
    } finally {
      buffers.close();
    }
  }

  async #run(shared: SharedArrayBuffer, port: MessagePort): Promise<void> {
    try {
      await this.#pass(shared, port);
    } catch (error) {
      this.#failure = error;
    }
    this.#isOver = true;
    this.#wake();
  }

  #pass(shared: SharedArrayBuffer, port: MessagePort): Promise<LayerFacts> {
    const { layer, source, onBytes } = this.#request;
    const job = this.#job();
    const signal = AbortSignal.any([this.#context.signal, this.#stopped.signal]);
    let decoded: DecodedFacts | undefined;
    let outputs: OutputFacts | undefined;
    return this.#context.pool.run(
      (worker) =>
        feedWorker<LayerFacts>({
          workers: [worker],
          shared,
          open: (ended) => source.openBlob(layer, { signal: ended }),
          signal,
          onBytes,
          begin: () => worker.postMessage({ type: 'begin-through', job, link: { shared, port } } satisfies ToWorker, [port]),
          onAnswer: (answer) => {
            if (answer.type === 'decoded') decoded = answer.facts;
            else if (answer.type === 'outputs') outputs = answer.facts;
            return decoded === undefined || outputs === undefined ? undefined : layerFactsOf(job, decoded, outputs);
          },
        }),
      { signal },
    );
  }

  #job(): LayerJob {
    const { limits, maxEntries } = this.#context;
    const { digest, sizeBytes, diffId } = this.#request.layer;
    const nothing = { ingestFile: undefined, isFlushed: false, scan: false, checkpointIntervalBytes: 0 };
    return { expected: { digest, sizeBytes, diffId }, ...nothing, limits, maxEntries };
  }

  #hear(message: RingMessage): void {
    this.#messages.push(message);
    this.#wake();
  }

  /** What the worker says next; its failure instead when that came. */
  async #next(): Promise<RingMessage> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure as Error;
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await this.#change();
    }
  }

  async #end(): Promise<void> {
    while (!this.#isOver) await this.#change();
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}

interface LentPart extends Pick<LayerPart, 'offset' | 'isLast'> {
  readonly length: number;
}

/** The buffer that came with the working set, and more while the budget has room to spare. */
class PartBuffers {
  readonly #context: Pick<PipelineContext, 'budget' | 'signal'>;
  readonly #own: BufferLease;
  readonly #free: BufferLease[];
  /** Parts that somebody may still read. */
  readonly #lent = new Set<BufferLease>();
  #filling: BufferLease | undefined;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(context: Pick<PipelineContext, 'budget' | 'signal'>, own: BufferLease) {
    this.#context = context;
    // Whoever made this has it for the whole pass.
    this.#own = { ...own, release: () => undefined };
    this.#free = [this.#own];
  }

  async take(): Promise<BufferLease> {
    const { signal } = this.#context;
    for (;;) {
      signal.throwIfAborted();
      const buffer = this.#free.pop() ?? this.#another();
      if (buffer !== undefined) return (this.#filling = buffer);
      await this.#change(signal);
    }
  }

  lend(buffer: BufferLease, { length, ...place }: LentPart): LayerPart {
    this.#filling = undefined;
    this.#lent.add(buffer);
    return { ...place, bytes: buffer.buffer.subarray(0, length), release: () => this.#giveBack(buffer) };
  }

  /** No more parts. What is lent stays what it is until it is let go: another layer must not be written into it. */
  close(): void {
    this.#isClosed = true;
    this.#filling?.release();
    for (const buffer of this.#free.splice(0)) buffer.release();
  }

  /** Resolves when nobody holds a part any more; an abort changes nothing about who does. */
  async allBack(): Promise<void> {
    while (this.#lent.size > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #giveBack(buffer: BufferLease): void {
    if (!this.#lent.delete(buffer)) return;
    // One more than its own is only borrowed: others may need the memory.
    if (buffer === this.#own && !this.#isClosed) this.#free.push(buffer);
    else buffer.release();
    this.#wake();
  }

  #another(): BufferLease | undefined {
    const { budget } = this.#context;
    if (budget.usedBytes + PART_BYTES + HEADROOM_BYTES > budget.limitBytes) return undefined;
    return budget.tryAcquireBuffer(PART_BYTES);
  }

  async #change(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    await new Promise<void>((resolve) => (this.#wake = resolve));
    signal.removeEventListener('abort', wake);
  }
}
