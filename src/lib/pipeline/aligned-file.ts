import { writeSync, writevSync } from 'node:fs';

/** What the page cache takes and the disk gets in one go; files of larger pieces were not written faster. */
const PIECE_BYTES = 64 * 1024;
const WORD_BYTES = 8;

/**
 * Writes a stretch of a file front to back, in pieces that end at multiples of 64 KiB: written as it comes, the decompressed
 * layer takes a third more time in the kernel, which has to split its folios and to map more extents at each flush.
 * Less than a piece waits until more comes, or drain() is called.
 */
export class AlignedFile {
  readonly #fd: number;
  readonly #waiting = new Uint8Array(PIECE_BYTES + WORD_BYTES);
  #waitingStart = 0;
  #waitingBytes = 0;
  #at: number;

  constructor(fd: number, startOffset: number) {
    this.#fd = fd;
    this.#at = startOffset;
  }

  /** Where the next byte of the file will stand: those before it are written. */
  get offset(): number {
    return this.#at;
  }

  /** @throws what the file system throws */
  write(view: Uint8Array): void {
    const start = this.#at + this.#waitingBytes;
    const end = start + view.length;
    const cut = Math.max(0, end - (end % PIECE_BYTES) - start);
    if (cut > 0) this.#put(view.subarray(0, cut));
    this.#keep(view.subarray(cut));
  }

  /** Writes what waits. @throws what the file system throws */
  drain(): void {
    if (this.#waitingBytes > 0) this.#put(this.#waiting.subarray(0, 0));
  }

  #keep(view: Uint8Array): void {
    // Of memory that threads share V8 copies words only between places that lie alike in a word, else bytes: 6 times as slow.
    if (this.#waitingBytes === 0) this.#waitingStart = view.byteOffset % WORD_BYTES;
    this.#waiting.set(view, this.#waitingStart + this.#waitingBytes);
    this.#waitingBytes += view.length;
  }

  /** Writes what waits and then `view`. */
  #put(view: Uint8Array): void {
    const waiting = this.#waiting.subarray(this.#waitingStart, this.#waitingStart + this.#waitingBytes);
    let left = [waiting, view].filter(({ length }) => length > 0);
    this.#waitingBytes = 0;
    while (left.length > 0) {
      const [first] = left;
      const written =
        left.length === 1 && first !== undefined
          ? writeSync(this.#fd, first, 0, first.length, this.#at)
          : writevSync(this.#fd, left, this.#at);
      this.#at += written;
      left = without(left, written);
    }
  }
}

/** A write may take less than it was given. */
function without(views: readonly Uint8Array[], written: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let taken = written;
  for (const view of views) {
    if (taken < view.length) left.push(view.subarray(taken));
    taken = Math.max(0, taken - view.length);
  }
  return left;
}
