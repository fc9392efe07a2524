/**
 * A gzip stream through the kernel: members (RFC 1952 §2.2) one behind the other, each a header, DEFLATE blocks and a
 * trailer, from the start of the layer or from a checkpoint of it. Positions are kept for both sides, so that every
 * place the kernel can stop at is a place to start from.
 *
 * As in Go's compress/gzip, a member is followed by a member or by the end; padding is refused.
 */
import { corruptLayer } from '../decode-errors.ts';
import type { Checkpoint } from '../decoder.ts';
import { MAX_WINDOW_BYTES, packWindow, unpackWindow } from '../window-codec.ts';
import { CheckpointPlan } from './checkpoint-plan.ts';
import { GzipHeader } from './gzip-header.ts';
import { KERNEL_STATUS, kernelErrorText, NEVER, type InflateKernel } from './inflate-kernel.ts';
import { InputArea } from './input-area.ts';
import { OutputArea } from './output-area.ts';

const TRAILER_BYTES = 8;
const NO_WINDOW = new Uint8Array(0);

export interface GunzipStreamOptions {
  /** Called with all bytes in order; `compressedOffset` is how far the input is used. The view holds during the call. */
  readonly deliver: (output: Uint8Array, compressedOffset: number) => void;
  readonly checkpointIntervalBytes: number;
  readonly isSummed: boolean;
  /** Keep windows as they are: for checkpoints that are used at once, and to measure what packing costs. */
  readonly keepsPlainWindows?: boolean;
  /** Where to start; undefined = at the start of the layer. */
  readonly from?: Checkpoint;
}

/** The last checkpoint, until its window is packed: when all is decoded that may refer to it. */
interface OpenCheckpoint {
  readonly uncompressedOffset: number;
  readonly blockHeader: Uint8Array | undefined;
}

export class GunzipStream {
  readonly #kernel: InflateKernel;
  readonly #options: GunzipStreamOptions;
  readonly #input: InputArea;
  readonly #output: OutputArea;
  readonly #plan: CheckpointPlan;
  readonly #header = new GzipHeader();
  #part: 'header' | 'blocks' | 'trailer' = 'header';
  #members = 0;
  /** Uncompressed offset of the start of the member; undefined when it was not seen. */
  #memberStart: number | undefined;
  #open: OpenCheckpoint | undefined;

  /** @throws ClipctlError CLIP_INVALID when the checkpoint has no usable state */
  constructor(kernel: InflateKernel, options: GunzipStreamOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#plan = new CheckpointPlan(options.checkpointIntervalBytes);
    const { from } = options;
    const { window, blockHeader } = unpackWindow(from?.window ?? NO_WINDOW);
    this.#input = new InputArea(kernel, from === undefined ? 0 : firstByteOf(from));
    this.#output = new OutputArea(kernel, from?.uncompressedOffset ?? 0, window);
    if (from === undefined || from.window.length === 0) return;
    this.#part = 'blocks';
    this.#input.position += -from.bit & 7;
    if (!kernel.reset(blockHeader)) throw corruptLayer('a checkpoint has an invalid block header');
  }

  get checkpoints(): readonly Checkpoint[] {
    return this.#plan.checkpoints;
  }

  /** Whether the stream may end here: between members. */
  get isBetweenMembers(): boolean {
    return this.#part === 'header' && this.#members > 0 && this.#header.isUntouched;
  }

  /**
   * All output of the input has been delivered when it returns.
   * @throws ClipctlError LAYER_CORRUPT, after the output before the place in question; or what `deliver` throws
   */
  write(input: Uint8Array): void {
    for (let at = 0; at < input.length;) {
      at += this.#input.append(input.subarray(at));
      let isUsed = false;
      try {
        while (!isUsed) isUsed = !this.#step();
      } finally {
        this.#deliver();
      }
    }
  }

  /** @returns false when more input is needed */
  #step(): boolean {
    if (this.#part === 'header') return this.#readHeader();
    return this.#part === 'blocks' ? this.#inflate() : this.#readTrailer();
  }

  #readHeader(): boolean {
    const { unread } = this.#input;
    if (unread.length === 0) return false;
    if (this.#header.isUntouched) this.#noteMemberStart();
    this.#input.skip(this.#pushHeader(unread));
    if (!this.#header.isComplete) return false;
    this.#header.reset();
    this.#part = 'blocks';
    this.#memberStart = this.#output.uncompressedOffset;
    this.#output.startMember(this.#options.isSummed);
    this.#kernel.reset();
    return true;
  }

  #pushHeader(bytes: Uint8Array): number {
    try {
      return this.#header.push(bytes);
    } catch (error) {
      if (this.#members === 0) throw error;
      const details = { compressedOffset: this.#input.compressedOffset };
      throw corruptLayer('bytes follow the last gzip member', { cause: error, details });
    }
  }

  #noteMemberStart(): void {
    const { uncompressedOffset } = this.#output;
    if (!this.#plan.isMemberStartDue(uncompressedOffset)) return;
    const { compressedOffset } = this.#input;
    this.#plan.add({ compressedOffset, bit: 0, uncompressedOffset, window: NO_WINDOW });
  }

  #inflate(): boolean {
    for (;;) {
      const status = this.#kernel.run(this.#input.position, this.#output.out, {
        inEnd: this.#input.end,
        outEnd: this.#output.end,
        checkpointAt: this.#addressOf(this.#plan.boundaryDue),
        insideAt: this.#addressOf(this.#plan.insideDue),
        windowStart: this.#output.windowStart,
        keptEnd: this.#open && this.#output.addressOf(this.#open.uncompressedOffset),
      });
      this.#input.position = this.#kernel.position;
      this.#output.out = this.#kernel.out;
      this.#closeCheckpoint(status === KERNEL_STATUS.endOfStream);
      if (status === KERNEL_STATUS.needInput) return false;
      if (status === KERNEL_STATUS.needOutput) this.#deliver();
      else if (status === KERNEL_STATUS.endOfStream) break;
      else if (status > 0) this.#noteCheckpoint(status === KERNEL_STATUS.insideBlock);
      else throw corruptLayer(`gzip: ${kernelErrorText(status)}`, { details: this.#place() });
    }
    this.#input.skip(0);
    this.#part = 'trailer';
    return true;
  }

  /** What is due long since, while one block went on, has no address any more. */
  #addressOf(uncompressedOffset: number): number {
    return Math.max(0, Math.min(this.#output.addressOf(uncompressedOffset), NEVER));
  }

  #noteCheckpoint(isInside: boolean): void {
    const { compressedOffset, bit } = this.#input;
    const { out, uncompressedOffset, windowStart } = this.#output;
    const blockHeader = isInside ? this.#kernel.copyBlockHeader() : undefined;
    // Two windows can't be marked at once.
    if (this.#open !== undefined) this.#packWindow(this.#open, { isWhole: true });
    const isPlain = this.#options.keepsPlainWindows === true;
    const window = isPlain ? packWindow({ window: this.#kernel.memory.subarray(windowStart, out), blockHeader }) : NO_WINDOW;
    this.#plan.add({ compressedOffset, bit, uncompressedOffset, window });
    if (isPlain) return;
    this.#kernel.keepWindow(windowStart, out);
    this.#open = { uncompressedOffset, blockHeader };
  }

  /** Nothing behind the next 32 KiB, and nothing behind the end of the member, refers to the window. */
  #closeCheckpoint(isMemberEnd: boolean): void {
    if (this.#open === undefined) return;
    const isPast = this.#output.uncompressedOffset >= this.#open.uncompressedOffset + MAX_WINDOW_BYTES;
    if (isPast || isMemberEnd) this.#packWindow(this.#open, { isWhole: false });
  }

  #packWindow({ blockHeader }: OpenCheckpoint, options: { readonly isWhole: boolean }): void {
    const { window, deflated } = this.#kernel.packWindow(options);
    this.#plan.completeLast(packWindow({ window, blockHeader }, deflated));
    this.#open = undefined;
  }

  /** RFC 1952 §2.3.1: CRC-32 and length modulo 2^32. What stands before a checkpoint can't be in them. */
  #readTrailer(): boolean {
    const { unread } = this.#input;
    if (unread.length < TRAILER_BYTES) return false;
    const trailer = new DataView(unread.buffer, unread.byteOffset, TRAILER_BYTES);
    const { crc, uncompressedOffset } = this.#output;
    if (crc !== undefined && crc !== trailer.getUint32(0, true)) throw corruptLayer('gzip: incorrect data check');
    const memberBytes = this.#memberStart === undefined ? undefined : uncompressedOffset - this.#memberStart;
    if (memberBytes !== undefined && memberBytes % 2 ** 32 !== trailer.getUint32(4, true)) {
      throw corruptLayer('gzip: incorrect length check', { details: this.#place() });
    }
    this.#input.skip(TRAILER_BYTES);
    this.#part = 'header';
    this.#members++;
    return true;
  }

  #deliver(): void {
    const pending = this.#output.takePending();
    if (pending.length > 0) this.#options.deliver(pending, this.#input.compressedOffset);
    this.#output.slide();
  }

  #place(): { compressedOffset: number; uncompressedOffset: number } {
    return { compressedOffset: this.#input.compressedOffset, uncompressedOffset: this.#output.uncompressedOffset };
  }
}

/** The first compressed byte that a reader needs to go on from a checkpoint: with a bit, the one before its offset. */
export function firstByteOf({ compressedOffset, bit }: Checkpoint): number {
  return bit === 0 ? compressedOffset : compressedOffset - 1;
}
