/** Size and sha256 of content that is on its way somewhere: what is wrong is noticed before it is published. */
import { createHash, type Hash } from 'node:crypto';
import type { ContentHash } from '../oci/digest.ts';
import { digestMismatch, sizeMismatch } from './write-verified.ts';

export class ContentCheck {
  readonly #hash: ContentHash;
  readonly #sizeBytes: number | undefined;
  #sha: Hash = createHash('sha256');
  #seenBytes = 0;

  /** @param sizeBytes `undefined`: the hash alone says it is right */
  constructor(hash: ContentHash, sizeBytes: number | undefined) {
    this.#hash = hash;
    this.#sizeBytes = sizeBytes;
  }

  get seenBytes(): number {
    return this.#seenBytes;
  }

  /**
   * Takes each piece once, in order.
   * @throws ClipctlError SIZE_MISMATCH as soon as there are too many bytes
   */
  take(piece: Uint8Array): void {
    const seenBytes = this.#seenBytes + piece.length;
    if (this.#sizeBytes !== undefined && seenBytes > this.#sizeBytes) throw sizeMismatch(this.#hash, this.#sizeBytes, seenBytes);
    this.#sha.update(piece);
    this.#seenBytes = seenBytes;
  }

  /** The same state once more: what is sent again is counted from here. */
  copy(): ContentCheck {
    const copy = new ContentCheck(this.#hash, this.#sizeBytes);
    copy.#sha = this.#sha.copy();
    copy.#seenBytes = this.#seenBytes;
    return copy;
  }

  /** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH */
  finish(): void {
    if (this.#sizeBytes !== undefined && this.#seenBytes !== this.#sizeBytes)
      throw sizeMismatch(this.#hash, this.#sizeBytes, this.#seenBytes);
    const found = this.#sha.digest('hex');
    if (found !== this.#hash) throw digestMismatch(this.#hash, found);
  }
}
