import { createHash, type Hash } from 'node:crypto';
import { CONTENT_DIGEST_SPAN_BYTES } from '../clip/clip-file.ts';

/** sha256 of each 4 MiB of a stream: what lets a *range* from a remote be verified (FORMATS §1 "What we write" 5). */
export class SpanDigests {
  readonly #digests: Buffer[] = [];
  #hash: Hash = createHash('sha256');
  #filled = 0;

  write(view: Uint8Array): void {
    for (let at = 0; at < view.length;) {
      const take = Math.min(view.length - at, CONTENT_DIGEST_SPAN_BYTES - this.#filled);
      this.#hash.update(view.subarray(at, at + take));
      this.#filled += take;
      at += take;
      if (this.#filled === CONTENT_DIGEST_SPAN_BYTES) this.#close();
    }
  }

  /** 32 bytes a span, in order; the last span may be short; none for empty content. */
  finish(): Uint8Array {
    if (this.#filled > 0) this.#close();
    return new Uint8Array(Buffer.concat(this.#digests));
  }

  #close(): void {
    this.#digests.push(this.#hash.digest());
    this.#hash = createHash('sha256');
    this.#filled = 0;
  }
}
