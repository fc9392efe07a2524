import { createHash, type Hash } from 'node:crypto';
import { CONTENT_DIGEST_SPAN_BYTES } from '../clip/clip-file.ts';

/**
 * sha256 of each span of a stream. By default of each 4 MiB: what lets a *range* from a remote be verified (FORMATS §1 "What
 * we write" 5).
 */
export class SpanDigests {
  readonly #endOf: (index: number) => number;
  readonly #digests: Buffer[] = [];
  #hash: Hash = createHash('sha256');
  #start = 0;
  #at = 0;
  #end: number;

  /** @param endOf where the span of that index ends; ascending. `Infinity`: with the stream */
  constructor(endOf: (index: number) => number = endOfContentSpan) {
    this.#endOf = endOf;
    this.#end = endOf(0);
    this.#closeEnded();
  }

  write(view: Uint8Array): void {
    for (let done = 0; done < view.length;) {
      const part = view.subarray(done, done + this.#end - this.#at);
      this.#hash.update(part);
      this.#at += part.length;
      done += part.length;
      this.#closeEnded();
    }
  }

  /** 32 bytes a span, in order; the last span may be short; none for what is behind the end of the stream. */
  finish(): Uint8Array {
    if (this.#at > this.#start) this.#close();
    return new Uint8Array(Buffer.concat(this.#digests));
  }

  #closeEnded(): void {
    while (this.#at >= this.#end) this.#close();
  }

  #close(): void {
    this.#digests.push(this.#hash.digest());
    this.#hash = createHash('sha256');
    this.#start = this.#at;
    this.#end = this.#endOf(this.#digests.length);
  }
}

function endOfContentSpan(index: number): number {
  return (index + 1) * CONTENT_DIGEST_SPAN_BYTES;
}
