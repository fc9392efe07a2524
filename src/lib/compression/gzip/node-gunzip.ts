/**
 * The gzip decoder of node:zlib: slower than the kernel, there on every Node. zlib walks the members and proves header
 * checksum, CRC-32 and length of each (RFC 1952). What it lets pass is caught here: it ends quietly at a zero byte after
 * a member and ignores the rest, which might be anything. As in Go's compress/gzip, a member is followed by a member or
 * by the end, so padding of zeros is refused too.
 */
import { createGunzip, type Gunzip } from 'node:zlib';
import { ClipctlError } from '../../errors.ts';
import { asError, closedError, corruptLayer } from '../decode-errors.ts';
import type { DecodeResult, Decoder, DecoderOptions } from '../decoder.ts';
import { OutputMeter } from '../output-meter.ts';

/** One piece of output, allocated anew by zlib each time; a larger one measured no faster with 256 KiB of input a write. */
const OUTPUT_BYTES = 256 * 1024;

export function createNodeGunzip(options: DecoderOptions): Decoder {
  return new NodeGunzip(options);
}

class NodeGunzip implements Decoder {
  readonly #meter: OutputMeter;
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: OUTPUT_BYTES });
  #failure: Error | undefined;
  #ended = false;
  /** Resolves the write or finish that waits; there is never more than one. */
  #wake: () => void = () => undefined;

  constructor(options: DecoderOptions) {
    this.#meter = new OutputMeter(options);
    this.#gunzip.on('data', (output: Buffer) => this.#deliver(output));
    this.#gunzip.on('error', (error) => this.#fail(zlibError(error)));
    this.#gunzip.on('end', () => this.#end());
    this.#gunzip.on('close', () => this.#wake());
  }

  async write(input: Uint8Array): Promise<void> {
    this.#throwIfFailed();
    if (input.length === 0) return;
    this.#meter.advanceTo(this.#meter.compressedBytes + input.length);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#gunzip.write(input, (error) => this.#afterWrite(error));
    });
    while (this.#gunzip.readableLength > 0 && !this.#gunzip.destroyed) this.#gunzip.read();
    this.#throwIfFailed();
    if (this.#ended) this.#throwTrailing();
  }

  async finish(): Promise<DecodeResult> {
    this.#throwIfFailed();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#ended) resolve();
      else this.#gunzip.end();
    });
    this.#throwIfFailed();
    if (this.#gunzip.bytesWritten !== this.#meter.compressedBytes) this.#throwTrailing();
    return {
      compression: 'gzip',
      decoder: 'node-zlib',
      compressedBytes: this.#meter.compressedBytes,
      uncompressedBytes: this.#meter.uncompressedBytes,
      checkpoints: [{ compressedOffset: 0, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) }],
      zstdFrames: [],
    };
  }

  close(): void {
    this.#fail(closedError());
  }

  #deliver(output: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      this.#meter.emit(output);
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #afterWrite(error: Error | null | undefined): void {
    if (error) this.#fail(zlibError(error));
    this.#wake();
  }

  /** The first failure is the one told; zlib's own follow-ups (a destroyed stream) are not. */
  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#gunzip.destroy();
    this.#wake();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #throwTrailing(): never {
    const compressedOffset = this.#gunzip.bytesWritten;
    const failure = corruptLayer('bytes follow the last gzip member', { details: { compressedOffset } });
    this.#fail(failure);
    throw failure;
  }
}

function zlibError(error: Error): Error {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'Z_BUF_ERROR') return corruptLayer('the gzip stream ends early', { cause: error });
  if (code === 'Z_DATA_ERROR' || code === 'Z_NEED_DICT') return corruptLayer(`gzip: ${error.message}`, { cause: error });
  return new ClipctlError('INTERNAL', `zlib failed: ${error.message}`, { cause: error });
}
