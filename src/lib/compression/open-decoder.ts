import { closedError } from './decode-errors.ts';
import type { Compression, DecodeResult, Decoder, DecoderOptions } from './decoder.ts';
import { createGunzip } from './gzip/kernel-gunzip.ts';
import { createIdentity } from './identity.ts';
import { SNIFF_BYTES, sniffCompression } from './sniff.ts';
import { createZstdDecoder } from './zstd/zstd-decoder.ts';

const FACTORIES: Readonly<Record<Compression, (options: DecoderOptions) => Decoder>> = {
  gzip: createGunzip,
  zstd: createZstdDecoder,
  none: createIdentity,
};

/**
 * A decoder for a layer of any compression: what it is, the first four bytes say and `DecodeResult.compression` tells.
 * The media type is never asked. An empty layer is `none`.
 */
export function createDecoder(options: DecoderOptions): Decoder {
  return new SniffingDecoder(options);
}

class SniffingDecoder implements Decoder {
  readonly #options: DecoderOptions;
  readonly #head = new Uint8Array(SNIFF_BYTES);
  #headBytes = 0;
  #decoder: Decoder | undefined;
  #closed = false;

  constructor(options: DecoderOptions) {
    this.#options = options;
    // The bytes in the middle of a layer don't say what they are.
    if (options.resume !== undefined) this.#decoder = FACTORIES[options.resume.point.compression](options);
  }

  write(input: Uint8Array): void | Promise<void> {
    if (this.#closed) throw closedError();
    if (this.#decoder !== undefined) return this.#decoder.write(input);
    if (this.#headBytes === 0 && input.length >= SNIFF_BYTES) return this.#open(input).write(input);
    return this.#gather(input);
  }

  async finish(): Promise<DecodeResult> {
    if (this.#closed) throw closedError();
    if (this.#decoder === undefined) await this.#openWithHead();
    if (this.#decoder === undefined) throw closedError();
    return this.#decoder.finish();
  }

  close(): void {
    this.#closed = true;
    this.#decoder?.close();
  }

  #gather(input: Uint8Array): void | Promise<void> {
    const taken = input.subarray(0, SNIFF_BYTES - this.#headBytes);
    this.#head.set(taken, this.#headBytes);
    this.#headBytes += taken.length;
    if (this.#headBytes === SNIFF_BYTES) return this.#openWithHead(input.subarray(taken.length));
  }

  async #openWithHead(rest?: Uint8Array): Promise<void> {
    const head = this.#head.subarray(0, this.#headBytes);
    const decoder = this.#open(head);
    await decoder.write(head);
    if (rest !== undefined) await decoder.write(rest);
  }

  #open(head: Uint8Array): Decoder {
    this.#decoder = FACTORIES[sniffCompression(head)](this.#options);
    return this.#decoder;
  }
}
