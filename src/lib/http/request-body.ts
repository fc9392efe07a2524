/** The body of a request: bytes whose number is known before the first of them is sent. */
import { Readable } from 'node:stream';
import { ClipctlError } from '../errors.ts';
import type { RateLimit } from './rate-limit.ts';

export interface RequestBody {
  readonly sizeBytes: number;
  /**
   * The bytes from the start; called again when they have to be sent again. A piece may be used again by its owner as
   * soon as the next one is asked for.
   */
  open(): AsyncIterable<Uint8Array>;
}

/**
 * A socket that takes less than its high-water mark (64 KiB, 16 KiB before Node 22) asks for more before the kernel has
 * it; only what is at least as large is waited for. What is smaller is copied, so that its owner may use it again.
 */
const COPY_BELOW_BYTES = 64 * 1024;
/** One drain each: a slow connection shows that it moves long before a piece of a MiB has gone. */
const SLICE_BYTES = 256 * 1024;

/** A body as it goes to the socket, and why it could not be read: an error of its owner is none of the network's. */
export class SentBody implements AsyncIterable<Uint8Array> {
  readonly #body: RequestBody;
  readonly #rate: RateLimit | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(body: RequestBody, rate?: RateLimit) {
    this.#body = body;
    this.#rate = rate;
  }

  /** What reading the body threw. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    let sentBytes = 0;
    const pieces = this.#body.open()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const piece = await this.#next(pieces);
        if (piece === undefined) break;
        sentBytes += piece.byteLength;
        if (sentBytes > this.#body.sizeBytes) throw this.#failed(wrongSize(this.#body.sizeBytes, 'more'));
        for (const slice of slicesOf(piece)) {
          await this.#rate?.take(slice.byteLength);
          yield slice;
        }
      }
      if (sentBytes !== this.#body.sizeBytes) throw this.#failed(wrongSize(this.#body.sizeBytes, String(sentBytes)));
    } finally {
      await pieces.return?.();
    }
  }

  async #next(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    try {
      const next = await pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): unknown {
    this.#failure = { error };
    return error;
  }
}

function* slicesOf(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.byteLength; at += SLICE_BYTES) {
    const slice = piece.subarray(at, at + SLICE_BYTES);
    yield slice.byteLength < COPY_BELOW_BYTES ? Buffer.from(slice) : slice;
  }
}

function wrongSize(expectedBytes: number, found: string): ClipctlError {
  return new ClipctlError('SIZE_MISMATCH', `${expectedBytes} bytes should be sent, there are ${found}`, {
    details: { expectedBytes },
  });
}

/** Bytes in memory as a body. */
export function bodyOfBytes(bytes: Uint8Array): RequestBody {
  return { sizeBytes: bytes.byteLength, open: () => Readable.from([bytes]) };
}
