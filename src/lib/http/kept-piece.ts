/** A stretch of a blob that an earlier process had loaded before its turn: read from its store, not from the server. */
import type { KeptRange } from './ahead-store.ts';

const READ_BYTES = 64 * 1024;

export class KeptPiece {
  readonly start: number;
  readonly end: number;
  readonly isLoading = false;
  readonly loading = Promise.resolve();
  readonly failure = undefined;
  readonly #range: KeptRange;

  /** @param start where the reader is; what lies before is not wanted */
  constructor(range: KeptRange, start: number, end: number) {
    this.#range = range;
    this.start = start;
    this.end = end;
  }

  /** @throws ClipctlError STORAGE_* */
  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    for (let at = this.start; at < this.end; at += READ_BYTES) {
      yield await this.#range.read(at, Math.min(this.end, at + READ_BYTES));
    }
  }

  close(): void {
    // Nothing is held in memory.
  }

  forget(): void {
    this.#range.release();
  }
}

/** What of the store lies in [start, end), in order; the rest goes. */
export function keptPiecesIn(ranges: readonly KeptRange[], start: number, end: number): KeptPiece[] {
  const pieces: KeptPiece[] = [];
  let from = start;
  for (const range of ranges) {
    const until = Math.min(range.end, end);
    if (until <= Math.max(from, range.start)) {
      range.release();
      continue;
    }
    pieces.push(new KeptPiece(range, Math.max(from, range.start), until));
    from = until;
  }
  return pieces;
}
