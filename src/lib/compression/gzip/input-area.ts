import type { InflateKernel } from './inflate-kernel.ts';

/** The compressed bytes in the kernel's memory: what a run left unread, and behind it the next piece. */
export class InputArea {
  /** Bit address of what is read next. */
  position: number;
  readonly #kernel: InflateKernel;
  /** A Buffer, whose `fill` copies at full speed; `set` on memory that threads share goes word by word, 5 % of the whole. */
  readonly #bytes: Buffer;
  #end: number;
  /** Offset in the stream of address 0. */
  #base: number;

  /** @param compressedOffset of the first byte that will be appended */
  constructor(kernel: InflateKernel, compressedOffset: number) {
    this.#kernel = kernel;
    this.#bytes = Buffer.from(kernel.memory.buffer);
    this.#end = kernel.inputAt;
    this.#base = compressedOffset - kernel.inputAt;
    this.position = kernel.inputAt * 8;
  }

  /** The byte behind the input. */
  get end(): number {
    return this.#end;
  }

  /** Offset in the stream of the first byte that is not read at all. */
  get compressedOffset(): number {
    return this.#base + Math.ceil(this.position / 8);
  }

  /** Bits of the byte before `compressedOffset` still to be read (0 to 7). */
  get bit(): number {
    return -this.position & 7;
  }

  /** Whole bytes not read, for what is not DEFLATE; the view holds until the next `append`. */
  get unread(): Uint8Array {
    return this.#kernel.memory.subarray(Math.ceil(this.position / 8), this.#end);
  }

  /** Moves the unread bytes to the front and puts as many of these behind them as there is room for. */
  append(bytes: Uint8Array): number {
    const { memory, inputAt, inputBytes } = this.#kernel;
    const from = this.position >> 3;
    memory.copyWithin(inputAt, from, this.#end);
    const shift = from - inputAt;
    this.#base += shift;
    this.position -= shift * 8;
    this.#end -= shift;
    const taken = bytes.subarray(0, inputAt + inputBytes - this.#end);
    if (taken.length > 0) this.#bytes.fill(taken, this.#end, this.#end + taken.length);
    this.#end += taken.length;
    return taken.length;
  }

  /** Skips to the next whole byte, and over some more. */
  skip(bytes: number): void {
    this.position = (Math.ceil(this.position / 8) + bytes) * 8;
  }
}
