/**
 * A gzip stream through the kernel: members (RFC 1952 §2.2) one behind the other, each a header, DEFLATE blocks and a
 * trailer, from the start of the layer or from a checkpoint of it. Positions are kept for both sides, so that every
 * place the kernel can stop at is a place to start from.
 *
 * As in Go's compress/gzip, a member is followed by a member or by the end; padding is refused.
 */
import { corruptLayer } from '../decode-errors.ts';
import type { Checkpoint } from '../decoder.ts';
import { ResumePlan, type ResumePoint, type ResumePointListener } from '../resume-point.ts';
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
  /** The checkpoints up to `from`, which are listed before those found here. */
  readonly earlier?: readonly Checkpoint[];
  /** Told of each checkpoint in order, when it is whole. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
  /** Told of places to go on from; their output has been delivered, and the checkpoints before them are whole. */
  readonly onResumePoint?: ResumePointListener;
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
  readonly #resumePlan: ResumePlan;
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
    const { from, earlier = [] } = options;
    for (const checkpoint of earlier) this.#plan.add(checkpoint);
    this.#resumePlan = new ResumePlan(options.onResumePoint, from?.uncompressedOffset ?? 0);
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
    const isCheckpoint = this.#plan.isMemberStartDue(uncompressedOffset);
    if (!isCheckpoint && uncompressedOffset < this.#resumePlan.boundaryDue) return;
    const { compressedOffset } = this.#input;
    const place = { compressedOffset, bit: 0, uncompressedOffset };
    if (isCheckpoint) this.#plan.add({ ...place, window: NO_WINDOW });
    if (isCheckpoint) this.#tellLastCheckpoint();
    this.#noteResumePoint(place);
  }

  #inflate(): boolean {
    for (;;) {
      const status = this.#kernel.run(this.#input.position, this.#output.out, {
        inEnd: this.#input.end,
        outEnd: this.#output.end,
        checkpointAt: this.#addressOf(Math.min(this.#plan.boundaryDue, this.#resumePlan.boundaryDue)),
        insideAt: this.#addressOf(Math.min(this.#plan.insideDue, this.#resumePlan.insideDue)),
        windowStart: this.#output.windowStart,
        keptEnd: this.#open && this.#output.addressOf(this.#open.uncompressedOffset),
      });
      this.#input.position = this.#kernel.position;
      this.#output.out = this.#kernel.out;
      this.#closeCheckpoint(status === KERNEL_STATUS.endOfStream);
      if (status === KERNEL_STATUS.needInput) return false;
      if (status === KERNEL_STATUS.needOutput) this.#deliver();
      else if (status === KERNEL_STATUS.endOfStream) break;
      else if (status > 0) this.#noteStop(status === KERNEL_STATUS.insideBlock);
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

  /** The kernel stopped because somebody wanted to know of this place: the checkpoints, who resumes, or both. */
  #noteStop(isInside: boolean): void {
    const { compressedOffset, bit } = this.#input;
    const { out, uncompressedOffset, windowStart } = this.#output;
    const blockHeader = isInside ? this.#kernel.copyBlockHeader() : undefined;
    const place = { compressedOffset, bit, uncompressedOffset };
    if (uncompressedOffset >= (isInside ? this.#plan.insideDue : this.#plan.boundaryDue))
      this.#noteCheckpoint(place, blockHeader);
    this.#noteResumePoint({ ...place, windowBytes: out - windowStart, ...(blockHeader && { blockHeader }) });
  }

  #noteCheckpoint(place: Omit<Checkpoint, 'window'>, blockHeader: Uint8Array | undefined): void {
    const { out, windowStart } = this.#output;
    // Two windows can't be marked at once.
    if (this.#open !== undefined) this.#packWindow(this.#open, { isWhole: true });
    const isPlain = this.#options.keepsPlainWindows === true;
    const window = isPlain ? packWindow({ window: this.#kernel.memory.subarray(windowStart, out), blockHeader }) : NO_WINDOW;
    this.#plan.add({ ...place, window });
    if (isPlain) return this.#tellLastCheckpoint();
    this.#kernel.keepWindow(windowStart, out);
    this.#open = { uncompressedOffset: place.uncompressedOffset, blockHeader };
  }

  #noteResumePoint(point: Omit<ResumePoint, 'compression'>): void {
    if (!this.#resumePlan.isWanted) return;
    this.#closeCheckpoint(false);
    // Who goes on here has all checkpoints before it: the last one isn't whole yet.
    if (this.#open !== undefined) return this.#resumePlan.postpone(point.uncompressedOffset + MAX_WINDOW_BYTES);
    this.#deliver();
    this.#resumePlan.add({ compression: 'gzip', ...point });
  }

  #tellLastCheckpoint(): void {
    const last = this.#plan.checkpoints.at(-1);
    if (last !== undefined) this.#options.onCheckpoint?.(last);
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
    this.#tellLastCheckpoint();
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
export function firstByteOf({ compressedOffset, bit }: Pick<Checkpoint, 'compressedOffset' | 'bit'>): number {
  return bit === 0 ? compressedOffset : compressedOffset - 1;
}
