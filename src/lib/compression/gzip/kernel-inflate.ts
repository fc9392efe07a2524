/**
 * Reads a gzip layer from a checkpoint on: what a span read and a resumed download are made of. The caller brings the
 * compressed bytes from `firstByteOf(checkpoint)` on, as many as it takes until `isDone`.
 */
import { asError, closedError, corruptLayer } from '../decode-errors.ts';
import { ClipctlError } from '../../errors.ts';
import type { Checkpoint, OutputSink } from '../decoder.ts';
import { GunzipStream } from './gunzip-stream.ts';
import { borrowKernel, returnKernel, type InflateKernel } from './inflate-kernel.ts';
import { checkedKernelModule } from './kernel-check.ts';

export interface KernelInflateOptions {
  readonly checkpoint: Checkpoint;
  /** Gets the output from the checkpoint on; the view is valid only during the call. */
  readonly onOutput: OutputSink;
  /** Not a byte at or behind this uncompressed offset is given out; undefined = to the end of the layer. */
  readonly endOffset?: number;
}

export interface KernelInflate {
  /** `endOffset` is reached: what is written from now on is ignored. */
  readonly isDone: boolean;
  /** @throws ClipctlError LAYER_CORRUPT */
  write(input: Uint8Array): void;
  /** @throws ClipctlError LAYER_CORRUPT when the input ended too early */
  finish(): void;
  close(): void;
}

/** Whether spans can be read on this machine: node:zlib, the fallback, can't start inside of a stream. */
export function hasKernel(): boolean {
  return checkedKernelModule() !== undefined;
}

/** @throws ClipctlError CLIP_INVALID when the checkpoint is unusable, INTERNAL where there is no kernel (`hasKernel`) */
export function createKernelInflate(options: KernelInflateOptions): KernelInflate {
  const module = checkedKernelModule();
  if (module === undefined) throw new ClipctlError('INTERNAL', 'the inflate kernel does not run on this machine');
  const kernel = borrowKernel(module);
  try {
    return new SpanInflate(kernel, options);
  } catch (error) {
    returnKernel(kernel);
    throw error;
  }
}

/** Thrown by the sink of the stream, to decode no further. */
const SPAN_IS_DONE = new ClipctlError('INTERNAL', 'the span is done');

class SpanInflate implements KernelInflate {
  readonly #stream: GunzipStream;
  readonly #onOutput: OutputSink;
  #kernel: InflateKernel | undefined;
  /** Undelivered bytes of the span. */
  #leftBytes: number;
  #failure: Error | undefined;
  #isWriting = false;
  #isClosed = false;

  constructor(kernel: InflateKernel, { checkpoint, onOutput, endOffset = Infinity }: KernelInflateOptions) {
    this.#kernel = kernel;
    this.#onOutput = onOutput;
    this.#leftBytes = Math.max(0, endOffset - checkpoint.uncompressedOffset);
    this.#stream = new GunzipStream(kernel, {
      from: checkpoint,
      checkpointIntervalBytes: 0,
      isSummed: false,
      deliver: (output) => this.#deliver(output),
    });
  }

  get isDone(): boolean {
    return this.#leftBytes === 0;
  }

  write(input: Uint8Array): void {
    this.#throwIfFailed();
    if (this.isDone) return;
    this.#isWriting = true;
    try {
      this.#stream.write(input);
    } catch (error) {
      if (error === SPAN_IS_DONE) return;
      this.#failure ??= asError(error);
      throw this.#failure;
    } finally {
      this.#isWriting = false;
      if (this.#isClosed) this.close();
    }
  }

  finish(): void {
    this.#throwIfFailed();
    if (this.isDone || (this.#leftBytes === Infinity && this.#stream.isBetweenMembers)) return;
    throw corruptLayer('the compressed bytes of a span end early');
  }

  /** Called by the sink, it stops the write that the sink is called by; only then may somebody else have the kernel. */
  close(): void {
    this.#failure ??= closedError();
    this.#isClosed = true;
    if (this.#isWriting || this.#kernel === undefined) return;
    returnKernel(this.#kernel);
    this.#kernel = undefined;
  }

  #deliver(output: Uint8Array): void {
    const wanted = output.subarray(0, Math.min(output.length, this.#leftBytes));
    this.#leftBytes -= wanted.length;
    if (wanted.length > 0) this.#onOutput(wanted);
    this.#throwIfFailed();
    if (this.isDone) throw SPAN_IS_DONE;
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
