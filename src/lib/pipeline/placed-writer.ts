import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ClipctlError, storageError } from '../errors.ts';

/** Writes one stretch of a file, [start, end), and not a byte beside it. */
export class PlacedWriter {
  readonly #path: string;
  readonly #end: number;
  #at: number;
  #fd: number | undefined;

  /** @throws ClipctlError STORAGE_* */
  constructor(path: string, { start, end }: { readonly start: number; readonly end: number }) {
    this.#path = path;
    this.#at = start;
    this.#end = end;
    try {
      this.#fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw storageError(error, path, 'open');
    }
  }

  /** Bytes of the stretch that are not written yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** @throws ClipctlError SIZE_MISMATCH when it would leave the stretch, STORAGE_* */
  write(view: Uint8Array): void {
    if (view.length > this.left) throw new ClipctlError('SIZE_MISMATCH', 'a span of a layer is longer than its index says');
    if (this.#fd === undefined) throw new ClipctlError('INTERNAL', `write after close: ${this.#path}`);
    try {
      for (let done = 0; done < view.length;) done += writeSync(this.#fd, view, done, view.length - done, this.#at + done);
    } catch (error) {
      throw storageError(error, this.#path, 'write');
    }
    this.#at += view.length;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
