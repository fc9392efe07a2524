import type { DecoderOptions, OutputSink } from './decoder.ts';
import { checkGrowth, type DecompressionLimits } from './limits.ts';

/** Counts both sides of one layer and lets no output past the limits: the sink never sees the piece that breaks one. */
export class OutputMeter {
  readonly #onOutput: OutputSink;
  readonly #limits: DecompressionLimits;
  #compressedBytes = 0;
  #uncompressedBytes = 0;

  constructor(options: DecoderOptions) {
    this.#onOutput = options.onOutput;
    this.#limits = options.limits;
    this.#compressedBytes = options.resume?.point.compressedOffset ?? 0;
    this.#uncompressedBytes = options.resume?.point.uncompressedOffset ?? 0;
  }

  get compressedBytes(): number {
    return this.#compressedBytes;
  }

  get uncompressedBytes(): number {
    return this.#uncompressedBytes;
  }

  /** Notes that the input up to here is used: call it before the output that it yields. */
  advanceTo(compressedBytes: number): void {
    this.#compressedBytes = compressedBytes;
  }

  /** @throws ClipctlError LIMIT_LAYER_SIZE or LIMIT_RATIO; or whatever the sink throws */
  emit(output: Uint8Array): void {
    if (output.length === 0) return;
    this.#uncompressedBytes += output.length;
    checkGrowth(this.#limits, this.#compressedBytes, this.#uncompressedBytes);
    this.#onOutput(output);
  }
}
