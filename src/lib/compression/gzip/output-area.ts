import { crc32 } from 'node:zlib';
import { HISTORY_BYTES, type InflateKernel } from './inflate-kernel.ts';

/** A group of symbols that starts right before the end may write this far beyond it. */
const OVERSHOOT_BYTES = 512;

export interface OutputAreaOptions {
  /** Of the first byte that will come. */
  readonly uncompressedOffset: number;
  /** What stands before it. */
  readonly window: Uint8Array;
  /** See DecoderOptions. */
  readonly awaitReaders?: (() => void) | undefined;
}

/** Given to the sink at once: what another thread may begin with, while more is decoded. */
const STEP_BYTES = 256 * 1024;

/**
 * The decompressed bytes in the kernel's memory: 32 KiB of history, then up to 1 MiB on the way to the sink. There are two
 * such areas: with somebody who reads on after the sink has returned, they are filled by turns.
 */
export class OutputArea {
  /** Address of the next byte. */
  out: number;
  readonly #kernel: InflateKernel;
  readonly #awaitReaders: (() => void) | undefined;
  /** Address of the first byte behind the history. */
  #at: number;
  /** Address of the first byte that a match of this member may reach. */
  #windowStart: number;
  /** Up to here the bytes went to the sink. */
  #delivered: number;
  /** Up to here the bytes are in the checksum. */
  #summed: number;
  #crc: number | undefined;
  /** Offset in the layer of address 0. */
  #base: number;

  constructor(kernel: InflateKernel, { uncompressedOffset, window, awaitReaders }: OutputAreaOptions) {
    this.#kernel = kernel;
    this.#awaitReaders = awaitReaders;
    this.#at = kernel.outputAt;
    this.out = this.#at;
    this.#windowStart = this.out - window.length;
    this.#delivered = this.out;
    this.#summed = this.out;
    this.#base = uncompressedOffset - this.out;
    kernel.memory.set(window, this.#windowStart);
  }

  /** A run stops here. */
  get end(): number {
    return Math.min(this.#areaEnd, this.#delivered + STEP_BYTES);
  }

  get windowStart(): number {
    return Math.max(this.#windowStart, this.out - HISTORY_BYTES);
  }

  get uncompressedOffset(): number {
    return this.#base + this.out;
  }

  /** CRC-32 of the member so far; undefined when it isn't kept. */
  get crc(): number | undefined {
    this.#sumUp();
    return this.#crc;
  }

  addressOf(uncompressedOffset: number): number {
    return uncompressedOffset - this.#base;
  }

  /** Forgets the history: no match reaches into the member before. */
  startMember(isSummed: boolean): void {
    this.#windowStart = this.out;
    this.#summed = this.out;
    this.#crc = isSummed ? 0 : undefined;
  }

  /** The bytes that did not go to the sink yet; from here on they count as delivered. */
  takePending(): Uint8Array {
    this.#sumUp();
    const pending = this.#kernel.memory.subarray(this.#delivered, this.out);
    this.#delivered = this.out;
    return pending;
  }

  /** Makes room once the end is reached: the last 32 KiB become the history. Everything must be delivered. */
  slide(): void {
    if (this.out < this.#areaEnd) return;
    const { memory } = this.#kernel;
    this.#at = this.#nextArea();
    const start = this.windowStart;
    const shift = this.out - this.#at;
    memory.copyWithin(start - shift, start, this.out);
    this.#windowStart = start - shift;
    this.#base += shift;
    this.out = this.#at;
    this.#delivered = this.#at;
    this.#summed = this.#at;
  }

  get #areaEnd(): number {
    return this.#at + this.#kernel.outputBytes - OVERSHOOT_BYTES;
  }

  #nextArea(): number {
    if (this.#awaitReaders === undefined) return this.#at;
    this.#awaitReaders();
    const { outputAt, secondOutputAt } = this.#kernel;
    return this.#at === outputAt ? secondOutputAt : outputAt;
  }

  #sumUp(): void {
    if (this.#crc !== undefined) this.#crc = crc32(this.#kernel.memory.subarray(this.#summed, this.out), this.#crc);
    this.#summed = this.out;
  }
}
