/** One range of a blob that is read into memory before its turn, over a connection of its own. */
import { ResumingBody, type ResumingBodyOptions } from './resuming-body.ts';

/** Compressed bytes of one request. Long against the time a request takes to be answered, short against the budget. */
export const AHEAD_BYTES = 4 * 1024 * 1024;

/** What is handed on at once: as much as a socket gives. */
const HANDED_BYTES = 64 * 1024;

/** Memory for pieces: lent now or not at all, since a layer that waits for memory while it holds some would block others. */
export interface AheadMemory {
  /** A buffer of exactly `bytes` on loan, or undefined. */
  tryAcquireBuffer(bytes: number): LentBuffer | undefined;
}

export interface LentBuffer {
  readonly buffer: Buffer;
  release(): void;
}

export interface AheadPieceOptions extends ResumingBodyOptions {
  /** At least `end - start` bytes; given back when nothing touches them any more. */
  readonly lease: LentBuffer;
  /** Its connection is free. */
  readonly onLoaded: () => void;
}

export class AheadPiece {
  readonly start: number;
  readonly end: number;
  readonly #lease: LentBuffer;
  readonly #stop = new AbortController();
  /** Resolves when it has loaded or failed. */
  readonly loading: Promise<void>;
  #filled = 0;
  #failure: Error | undefined;
  #isLoaded = false;
  #isClosed = false;
  #wake: (() => void) | undefined;

  /** Begins to load at once. */
  constructor(options: AheadPieceOptions) {
    this.start = options.start;
    this.end = options.end;
    this.#lease = options.lease;
    this.loading = this.#load(options);
  }

  /** Whether its connection is at work. */
  get isLoading(): boolean {
    return !this.#isLoaded;
  }

  /** What ended the loading early; the bytes before it are good. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** All bytes that come, as copies; ends early when there is a failure. */
  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0; ; ) {
      if (at < this.#filled) {
        const end = Math.min(this.#filled, at + HANDED_BYTES);
        // A copy, since the reader may keep it and the buffer is lent again.
        yield Buffer.from(this.#lease.buffer.subarray(at, end));
        at = end;
      } else if (this.#isLoaded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Stops loading and gives the memory back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort(new DOMException('the piece is not needed', 'AbortError'));
    void this.loading.then(() => this.#lease.release());
  }

  async #load(options: AheadPieceOptions): Promise<void> {
    const signal = AbortSignal.any([options.signal, this.#stop.signal]);
    try {
      const body = new ResumingBody(options, signal);
      await body.open();
      for await (const piece of body.pieces()) {
        piece.copy(this.#lease.buffer, this.#filled);
        this.#filled += piece.byteLength;
        this.#wake?.();
      }
    } catch (error) {
      this.#failure = error as Error;
    } finally {
      this.#isLoaded = true;
      options.onLoaded();
      this.#wake?.();
    }
  }
}
