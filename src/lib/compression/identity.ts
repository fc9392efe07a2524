import { asError, closedError } from './decode-errors.ts';
import type { DecodeResult, Decoder, DecoderOptions } from './decoder.ts';
import { OutputMeter } from './output-meter.ts';
import { ResumePlan } from './resume-point.ts';

const MAX_PIECE_BYTES = 1024 * 1024;

/** The decoder of a layer that isn't compressed: output is input. */
export function createIdentity(options: DecoderOptions): Decoder {
  return new Identity(options);
}

class Identity implements Decoder {
  readonly #meter: OutputMeter;
  readonly #plan: ResumePlan;
  #failure: Error | undefined;

  constructor(options: DecoderOptions) {
    this.#meter = new OutputMeter(options);
    this.#plan = new ResumePlan(options.onResumePoint, this.#meter.uncompressedBytes);
  }

  write(input: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (let at = 0; at < input.length; at += MAX_PIECE_BYTES) {
      this.#pass(input.subarray(at, at + MAX_PIECE_BYTES));
    }
  }

  finish(): DecodeResult {
    if (this.#failure !== undefined) throw this.#failure;
    return {
      compression: 'none',
      decoder: 'none',
      compressedBytes: this.#meter.compressedBytes,
      uncompressedBytes: this.#meter.uncompressedBytes,
      checkpoints: [],
      zstdFrames: [],
    };
  }

  close(): void {
    this.#failure ??= closedError();
  }

  #noteResumePoint(): void {
    const { compressedBytes: compressedOffset, uncompressedBytes: uncompressedOffset } = this.#meter;
    if (uncompressedOffset < this.#plan.boundaryDue) return;
    this.#plan.add({ compression: 'none', compressedOffset, bit: 0, uncompressedOffset });
  }

  #pass(piece: Uint8Array): void {
    this.#meter.advanceTo(this.#meter.compressedBytes + piece.length);
    try {
      this.#meter.emit(piece);
      this.#noteResumePoint();
    } catch (error) {
      this.#failure = asError(error);
      throw this.#failure;
    }
  }
}
