import { asError, closedError, corruptLayer } from '../decode-errors.ts';
import type { DecodeResult, Decoder, DecoderOptions } from '../decoder.ts';
import { OutputMeter } from '../output-meter.ts';
import type { ResumeFrom } from '../resume-point.ts';
import { packWindow } from '../window-codec.ts';
import { DEFAULT_CHECKPOINT_INTERVAL_BYTES } from './checkpoint-plan.ts';
import { firstByteOf, GunzipStream, type GunzipStreamOptions } from './gunzip-stream.ts';
import { borrowKernel, returnKernel, type InflateKernel } from './inflate-kernel.ts';
import { checkedKernelModule } from './kernel-check.ts';
import { createNodeGunzip } from './node-gunzip.ts';

/**
 * The decoder of gzip layers: the kernel, or node:zlib where this Node has no WebAssembly SIMD or the kernel gives other
 * bytes than it should. The result's `decoder` tells which.
 */
export function createGunzip(options: DecoderOptions): Decoder {
  const module = checkedKernelModule();
  return module === undefined ? createNodeGunzip(options) : new KernelGunzip(borrowKernel(module), options);
}

class KernelGunzip implements Decoder {
  readonly #meter: OutputMeter;
  readonly #stream: GunzipStream;
  #kernel: InflateKernel | undefined;
  #compressedBytes = 0;
  #failure: Error | undefined;
  #isWriting = false;
  #isClosed = false;

  constructor(kernel: InflateKernel, options: DecoderOptions) {
    this.#kernel = kernel;
    this.#meter = new OutputMeter(options);
    this.#compressedBytes = options.resume === undefined ? 0 : firstByteOf(options.resume.point);
    this.#stream = new GunzipStream(kernel, {
      ...(options.resume === undefined ? {} : resumedStream(options.resume)),
      ...(options.onCheckpoint && { onCheckpoint: options.onCheckpoint }),
      ...(options.onResumePoint && { onResumePoint: options.onResumePoint }),
      checkpointIntervalBytes: options.checkpointIntervalBytes ?? DEFAULT_CHECKPOINT_INTERVAL_BYTES,
      isSummed: options.skipChecksum !== true,
      deliver: (output, compressedOffset) => this.#deliver(output, compressedOffset),
    });
  }

  write(input: Uint8Array): void {
    this.#throwIfFailed();
    this.#compressedBytes += input.length;
    this.#isWriting = true;
    try {
      this.#stream.write(input);
    } catch (error) {
      this.#failure ??= asError(error);
      throw this.#failure;
    } finally {
      this.#isWriting = false;
      if (this.#isClosed) this.close();
    }
  }

  finish(): DecodeResult {
    this.#throwIfFailed();
    if (!this.#stream.isBetweenMembers) {
      this.#failure = corruptLayer('the gzip stream ends early');
      throw this.#failure;
    }
    return {
      compression: 'gzip',
      decoder: 'kernel',
      compressedBytes: this.#compressedBytes,
      uncompressedBytes: this.#meter.uncompressedBytes,
      checkpoints: this.#stream.checkpoints,
      zstdFrames: [],
    };
  }

  /** Called by the sink, it stops the write that the sink is called by; only then may somebody else have the kernel. */
  close(): void {
    this.#failure ??= closedError();
    this.#isClosed = true;
    if (this.#isWriting || this.#kernel === undefined) return;
    returnKernel(this.#kernel);
    this.#kernel = undefined;
  }

  #deliver(output: Uint8Array, compressedOffset: number): void {
    this.#meter.advanceTo(compressedOffset);
    this.#meter.emit(output);
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The window is what stands before the point in the output. */
function resumedStream({ point, earlier, readOutput }: ResumeFrom): Partial<GunzipStreamOptions> {
  const { compressedOffset, bit, uncompressedOffset, windowBytes, blockHeader } = point;
  const readWindow = (bytes: number): Uint8Array => readOutput(uncompressedOffset - bytes, uncompressedOffset);
  const window = windowBytes === undefined ? new Uint8Array(0) : packWindow({ window: readWindow(windowBytes), blockHeader });
  return { from: { compressedOffset, bit, uncompressedOffset, window }, earlier };
}
