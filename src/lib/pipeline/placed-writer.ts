import { closeSync, constants } from 'node:fs';
import { openOwnSync, type OwnFile } from '../cache/own-file.ts';
import { ClipctlError, storageError } from '../errors.ts';
import { AlignedFile } from './aligned-file.ts';

/** Writes one stretch of a file, [start, end), and not a byte beside it. */
export class PlacedWriter {
  readonly #path: string;
  readonly #end: number;
  readonly #file: AlignedFile;
  #at: number;
  #fd: number | undefined;

  /** @throws ClipctlError STORAGE_* */
  constructor(file: OwnFile, { start, end }: { readonly start: number; readonly end: number }) {
    const { path } = file;
    this.#path = path;
    this.#at = start;
    this.#end = end;
    try {
      this.#fd = openOwnSync(file, constants.O_WRONLY);
    } catch (error) {
      throw storageError(error, path, 'open');
    }
    this.#file = new AlignedFile(this.#fd, start);
  }

  /** Bytes of the stretch that have not come yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** The last bytes may wait for more, or for finish(). @throws ClipctlError SIZE_MISMATCH when it would leave the stretch, STORAGE_* */
  write(view: Uint8Array): void {
    if (view.length > this.left) throw new ClipctlError('SIZE_MISMATCH', 'a span of a layer is longer than its index says');
    this.#write((file) => file.write(view));
    this.#at += view.length;
  }

  /** All bytes that came are written. @throws ClipctlError STORAGE_* */
  finish(): undefined {
    this.#write((file) => file.drain());
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(step: (file: AlignedFile) => void): void {
    if (this.#fd === undefined) throw new ClipctlError('INTERNAL', `write after close: ${this.#path}`);
    try {
      step(this.#file);
    } catch (error) {
      throw storageError(error, this.#path, 'write');
    }
  }
}
