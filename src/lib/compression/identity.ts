import { closedError } from './decode-errors.ts';
import type { DecodeResult, Decoder, DecoderOptions } from './decoder.ts';
import { OutputMeter } from './output-meter.ts';

const MAX_PIECE_BYTES = 1024 * 1024;

/** The decoder of a layer that isn't compressed: output is input. */
export function createIdentity(options: DecoderOptions): Decoder {
  return new Identity(options);
}

class Identity implements Decoder {
  readonly #meter: OutputMeter;
  #closed = false;

  constructor(options: DecoderOptions) {
    this.#meter = new OutputMeter(options);
  }

  write(input: Uint8Array): void {
    if (this.#closed) throw closedError();
    for (let at = 0; at < input.length; at += MAX_PIECE_BYTES) {
      const piece = input.subarray(at, at + MAX_PIECE_BYTES);
      this.#meter.advanceTo(this.#meter.compressedBytes + piece.length);
      this.#meter.emit(piece);
    }
  }

  finish(): DecodeResult {
    if (this.#closed) throw closedError();
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
    this.#closed = true;
  }
}
