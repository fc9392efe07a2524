/**
 * Where a decoder that was stopped can go on, in another process: like a checkpoint, but without the window, because the
 * decompressed bytes before it are still there.
 */
import type { Checkpoint } from './checkpoint.ts';

export interface ResumePoint {
  /** zstd has none: it can't be taken up inside of a frame. */
  readonly compression: 'gzip' | 'none';
  readonly compressedOffset: number;
  /** As in a checkpoint. */
  readonly bit: number;
  readonly uncompressedOffset: number;
  /** Output before it that matches may reach; undefined at the start of a gzip member, and where nothing is compressed. */
  readonly windowBytes?: number;
  /** Of the DEFLATE block that it lies inside of (window-codec.ts). */
  readonly blockHeader?: Uint8Array;
}

export type ResumePointListener = (point: ResumePoint) => void;

/** Goes on in the middle of a layer instead of at its start. */
export interface ResumeFrom {
  readonly point: ResumePoint;
  /** The checkpoints up to the point, so that the result has all of them. */
  readonly earlier: readonly Checkpoint[];
  /** The decompressed bytes [start, end). */
  readonly readOutput: (start: number, end: number) => Uint8Array;
}

/** Output between two points at most, about. */
export const RESUME_INTERVAL_BYTES = 512 * 1024;
/** And input: what a kill may cost is counted in that, and a layer that hardly packs has as much of it as of output. */
const INPUT_INTERVAL_BYTES = 160 * 1024;

/** When the next point is due: by output alone, first at boundaries, later also inside of a block. */
export class ResumePlan {
  readonly #listener: ResumePointListener | undefined;
  boundaryDue: number;
  insideDue: number;
  #last: { readonly compressedOffset: number; readonly uncompressedOffset: number } | undefined;

  constructor(listener: ResumePointListener | undefined, from: number) {
    this.#listener = listener;
    // How it packs is not known yet.
    this.boundaryDue = listener === undefined ? Infinity : from + INPUT_INTERVAL_BYTES;
    this.insideDue = this.boundaryDue + RESUME_INTERVAL_BYTES;
  }

  get isWanted(): boolean {
    return this.#listener !== undefined;
  }

  /** Not here, but from this output on. */
  postpone(uncompressedOffset: number): void {
    this.boundaryDue = uncompressedOffset;
    this.insideDue = uncompressedOffset + RESUME_INTERVAL_BYTES;
  }

  add(point: ResumePoint): void {
    const interval = this.#intervalAt(point);
    this.boundaryDue = point.uncompressedOffset + interval;
    this.insideDue = this.boundaryDue + interval;
    this.#last = point;
    this.#listener?.(point);
  }

  /** As the bytes before it were packed. */
  #intervalAt({ compressedOffset, uncompressedOffset }: ResumePoint): number {
    if (this.#last === undefined) return INPUT_INTERVAL_BYTES;
    const input = Math.max(1, compressedOffset - this.#last.compressedOffset);
    const ratio = Math.max(1, (uncompressedOffset - this.#last.uncompressedOffset) / input);
    return Math.min(RESUME_INTERVAL_BYTES, Math.ceil(INPUT_INTERVAL_BYTES * ratio));
  }
}
