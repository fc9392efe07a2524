/**
 * A body that survives a cut connection: it is asked for again by Range from the byte where it stopped. The budget goes
 * by progress (after containerd): as long as new bytes come, a cut costs no try; only retries without one new byte count.
 * Nothing is spliced that does not say where it belongs: a 200 is read up to the offset again, a 206 must have exactly
 * the start that was asked for. Whether the bytes are the right ones is for the reader's digest to say.
 */
import { Readable } from 'node:stream';
import { ClipctlError, isRetryable } from '../errors.ts';
import { parseContentRange } from './content-range.ts';
import { discardBody, headerOf, type HttpResponse } from './http-client.ts';
import { networkError } from './network-error.ts';
import { waitBeforeRetry, type RetryPolicy } from './retry.ts';

export interface ResumingBodyOptions {
  /** For messages: host and digest. */
  readonly what: string;
  /** The bytes wanted, of a blob of `sizeBytes`; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly sizeBytes: number;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  /** One request with these headers added; throws for any status but 200, 206 and 416. */
  readonly open: (headers: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<HttpResponse>;
}

/**
 * Opens the body; rejects when even the first answer cannot be had.
 * @throws ClipctlError what `open` throws, SIZE_MISMATCH, REGISTRY_ERROR; the stream fails with the same
 */
export async function openResumingBody(options: ResumingBodyOptions): Promise<Readable> {
  const abandon = new AbortController();
  const body = new ResumingBody(options, AbortSignal.any([options.signal, abandon.signal]));
  await body.open();
  const pieces = body.pieces();
  return new Readable({
    read() {
      pieces.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      // First the request: a reader that leaves must not wait for a byte that may never come.
      abandon.abort(error ?? new DOMException('the reader left', 'AbortError'));
      pieces.return(undefined).then(
        () => callback(error),
        () => callback(error),
      );
    },
  });
}

interface Answer {
  readonly response: HttpResponse;
  /** Bytes of the body that come before the offset. */
  readonly discardBytes: number;
}

class ResumingBody {
  readonly #options: ResumingBodyOptions;
  readonly #signal: AbortSignal;
  #offset: number;
  #etag: string | undefined;
  /** The server answered a range with the wrong bytes: never ask it for one again. */
  #isRangeBroken = false;
  #failures = 0;
  #current: Answer | undefined;

  constructor(options: ResumingBodyOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#offset = options.start;
  }

  /** Gets the first answer. */
  async open(): Promise<void> {
    await this.#connect();
  }

  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    try {
      while (this.#offset < this.#options.end) yield* this.#piecesOfOneAnswer();
    } finally {
      this.#drop();
    }
  }

  async *#piecesOfOneAnswer(): AsyncGenerator<Buffer, void, undefined> {
    const current = this.#current ?? (await this.#connect());
    const before = this.#offset;
    try {
      yield* this.#read(current);
    } catch (error) {
      const failure = networkError(error, current.response.url, this.#signal);
      // A cut after new bytes is taken up at once.
      if (this.#offset > before && isRetryable(failure)) this.#failures = 0;
      else await this.#failed(failure);
    } finally {
      this.#drop();
    }
  }

  async *#read({ response, discardBytes }: Answer): AsyncGenerator<Buffer> {
    const { end } = this.#options;
    let discard = discardBytes;
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      const fresh = piece.subarray(Math.min(discard, piece.byteLength));
      discard -= piece.byteLength - fresh.byteLength;
      if (fresh.byteLength === 0) continue;
      const wanted = fresh.subarray(0, end - this.#offset);
      this.#offset += wanted.byteLength;
      yield wanted;
      if (wanted.byteLength < fresh.byteLength && end === this.#options.sizeBytes) throw this.#wrongSize('is longer');
      if (this.#offset === end && end < this.#options.sizeBytes) return;
    }
    if (this.#offset < end) throw this.#wrongSize('is shorter');
  }

  async #connect(): Promise<Answer> {
    for (;;) {
      try {
        this.#current = await this.#request();
        return this.#current;
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  #drop(): void {
    if (this.#current !== undefined) discardBody(this.#current.response);
    this.#current = undefined;
  }

  async #request(): Promise<Answer> {
    const { start, end, sizeBytes, open } = this.#options;
    const isWhole = (this.#offset === 0 && start === 0 && end === sizeBytes) || this.#isRangeBroken;
    const headers: Record<string, string> = {};
    if (!isWhole) headers['range'] = `bytes=${this.#offset}-${end - 1}`;
    if (!isWhole && this.#etag !== undefined) headers['if-range'] = this.#etag;
    const response = await open(headers, this.#signal);
    try {
      return { response, discardBytes: this.#discardFor(response) };
    } catch (error) {
      discardBody(response);
      throw error;
    }
  }

  /** How many bytes of the body come before the offset. */
  #discardFor(response: HttpResponse): number {
    if (response.status === 416) throw this.#wrongSize('is shorter');
    if (response.status === 206) {
      this.#checkRange(response);
      return 0;
    }
    const length = headerOf(response, 'content-length');
    if (length !== undefined && Number(length) !== this.#options.sizeBytes) {
      throw this.#wrongSize(Number(length) > this.#options.sizeBytes ? 'is longer' : 'is shorter');
    }
    const etag = headerOf(response, 'etag');
    this.#etag = etag !== undefined && etag.startsWith('"') && etag.length <= 256 ? etag : undefined;
    return this.#offset;
  }

  #checkRange(response: HttpResponse): void {
    const range = parseContentRange(headerOf(response, 'content-range'));
    if (range?.totalBytes !== undefined && range.totalBytes !== this.#options.sizeBytes) {
      throw this.#wrongSize(range.totalBytes > this.#options.sizeBytes ? 'is longer' : 'is shorter');
    }
    if (range !== undefined && range.start === this.#offset && range.end === this.#options.end && !this.#isRangeBroken) return;
    const isSecond = this.#isRangeBroken;
    this.#isRangeBroken = true;
    throw new ClipctlError('REGISTRY_ERROR', `${this.#options.what}: the server sent another range than it was asked for`, {
      retryable: !isSecond,
      retryAfterMs: 0,
    });
  }

  /** Counts a try without progress and waits; throws when it was the last. */
  async #failed(error: unknown): Promise<void> {
    const { what, policy } = this.#options;
    await waitBeforeRetry(error, ++this.#failures, { what, policy, signal: this.#signal });
  }

  #wrongSize(problem: string): ClipctlError {
    const { what, sizeBytes } = this.#options;
    return new ClipctlError('SIZE_MISMATCH', `${what}: the blob ${problem} than the ${sizeBytes} bytes of its descriptor`, {
      details: { sizeBytes },
    });
  }
}
