import { createHash } from 'node:crypto';
import { ClipctlError } from '../errors.ts';

/** sha256 of one stretch of a layer, [start, end), and of not a byte beside it. */
export class SpanHash {
  readonly #hash = createHash('sha256');
  #left: number;

  constructor({ start, end }: { readonly start: number; readonly end: number }) {
    this.#left = end - start;
  }

  /** Bytes of the stretch that have not come yet. */
  get left(): number {
    return this.#left;
  }

  /** @throws ClipctlError SIZE_MISMATCH when it would leave the stretch */
  write(view: Uint8Array): void {
    if (view.length > this.#left) throw new ClipctlError('SIZE_MISMATCH', 'a span of a layer is longer than its index says');
    this.#hash.update(view);
    this.#left -= view.length;
  }

  /** 32 bytes; once. */
  finish(): Uint8Array {
    return this.#hash.digest();
  }

  /** Nothing is open. */
  close(): void {
    return undefined;
  }
}
