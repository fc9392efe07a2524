/**
 * A body that survives a cut connection: it is asked for again by Range from the byte where it stopped; how often says
 * http/reconnect-budget.ts. Nothing is spliced that does not say where it belongs: a 200 is read up to the offset again,
 * a 206 must have exactly the start that was asked for. Whether the bytes are the right ones is for the reader's digest.
 */
import type { Readable } from 'node:stream';
import { ClipctlError, isRetryable, type ErrorDetails } from '../errors.ts';
import { parseContentRange } from './content-range.ts';
import { generatedStream } from './generated-stream.ts';
import { headerOf, type HttpResponse } from './http-client.ts';
import { networkError } from './network-error.ts';
import { ReconnectBudget } from './reconnect-budget.ts';
import type { RetryPolicy } from './retry.ts';
import { watchedPieces } from './watched-body.ts';

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
  /** Set where the bytes are one segment of a longer read (http/parallel-body.ts). */
  readonly segment?: SegmentOptions;
}

export interface SegmentOptions {
  /** All that is read, this segment and the others. */
  readonly whole: { readonly start: number; readonly end: number };
  /** Of an earlier segment: all must be of the same bytes. */
  readonly etag?: string | undefined;
  /**
   * Called when the server sends the whole blob instead: how far it is read then, at least to `end`. Absent: such an
   * answer is refused, and may be retried.
   */
  readonly claimRest?: () => number;
}

/**
 * Opens the body; rejects when even the first answer cannot be had.
 * @throws ClipctlError what `open` throws, SIZE_MISMATCH, REGISTRY_ERROR; the stream fails with the same
 */
export async function openResumingBody(options: ResumingBodyOptions): Promise<Readable> {
  const abandon = new AbortController();
  const body = new ResumingBody(options, AbortSignal.any([options.signal, abandon.signal]));
  await body.open();
  return generatedStream(body.pieces(), abandon);
}

interface Answer {
  readonly response: HttpResponse;
  /** Bytes of the body that come before the offset. */
  readonly discardBytes: number;
  /** Where the wanted bytes of this answer end in the blob; exclusive. */
  readonly end: number;
}

/** A part that was asked for is not looked for further than this in an answer with the whole blob. */
const MAX_DISCARD_BYTES = 1024 * 1024;

/** One body; `open` comes first, then `pieces`. */
export class ResumingBody {
  readonly #options: ResumingBodyOptions;
  readonly #signal: AbortSignal;
  #offset: number;
  /** Exclusive. */
  #end: number;
  #etag: string | undefined;
  /** The server answered a range with the wrong bytes: never ask it for one again. */
  #isRangeBroken = false;
  readonly #budget: ReconnectBudget;
  #current: Answer | undefined;
  #heldMs = 0;

  constructor(options: ResumingBodyOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#offset = options.start;
    this.#end = options.end;
    this.#etag = options.segment?.etag;
    const { what, policy, start, end } = options;
    this.#budget = new ReconnectBudget({ what, policy, signal }, end - start);
  }

  /** What the server calls this version of the blob; undefined when it has no strong validator. */
  get etag(): string | undefined {
    return this.#etag;
  }

  /** How long `--max-rate` has held up what had come: no fault of the connection. */
  get heldMs(): number {
    return this.#heldMs;
  }

  /** Where the reading ends. */
  get end(): number {
    return this.#end;
  }

  /** The server knows what a Range is, as far as it was asked. */
  get hasRanges(): boolean {
    return this.#current?.response.status === 206 && !this.#isRangeBroken;
  }

  /** Ends the reading earlier; costs the connection. */
  shorten(end: number): void {
    if (end > this.#offset && end < this.#end) this.#end = end;
  }

  /** Gets the first answer. */
  async open(): Promise<void> {
    await this.#connect();
  }

  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    try {
      while (this.#offset < this.#end) yield* this.#piecesOfOneAnswer();
    } finally {
      this.#drop();
    }
  }

  async *#piecesOfOneAnswer(): AsyncGenerator<Buffer, void, undefined> {
    const current = this.#current ?? (await this.#connect());
    const before = this.#offset;
    let failure: Error | undefined;
    try {
      yield* this.#read(current);
    } catch (error) {
      failure = networkError(error, current.response.url, this.#signal);
      if (!isRetryable(failure)) throw failure;
    } finally {
      this.#drop();
    }
    if (this.#offset === this.#end) return;
    const freshBytes = this.#offset - before;
    await (failure === undefined ? this.#budget.partial(freshBytes) : this.#budget.broken(failure, freshBytes));
  }

  async *#read({ response, discardBytes, end: answerEnd }: Answer): AsyncGenerator<Buffer> {
    const { sizeBytes } = this.#options;
    let discard = discardBytes;
    let end = answerEnd;
    for await (const piece of watchedPieces(response, (heldMs) => (this.#heldMs += heldMs))) {
      end = Math.min(answerEnd, this.#end);
      const fresh = piece.subarray(Math.min(discard, piece.byteLength));
      discard -= piece.byteLength - fresh.byteLength;
      const wanted = fresh.subarray(0, end - this.#offset);
      this.#offset += wanted.byteLength;
      if (wanted.byteLength > 0) yield wanted;
      const isLonger = wanted.byteLength < fresh.byteLength;
      if (isLonger && end === sizeBytes) throw this.#wrongSize('is longer');
      // The end of a 206 is awaited: leaving before it would cost the connection.
      if (isLonger || (response.status === 200 && this.#offset === end && end < sizeBytes)) return;
    }
    if (this.#offset < end) throw this.#wrongSize('is shorter');
  }

  async #connect(): Promise<Answer> {
    for (;;) {
      try {
        this.#current = await this.#request();
        return this.#current;
      } catch (error) {
        await this.#budget.failed(error);
      }
    }
  }

  #drop(): void {
    this.#current?.response.body.destroy();
    this.#current = undefined;
  }

  async #request(): Promise<Answer> {
    const { sizeBytes, open } = this.#options;
    const end = this.#end;
    const isWhole = (this.#offset === 0 && end === sizeBytes) || this.#isRangeBroken;
    const headers: Record<string, string> = {};
    if (!isWhole) headers['range'] = `bytes=${this.#offset}-${end - 1}`;
    if (!isWhole && this.#etag !== undefined) headers['if-range'] = this.#etag;
    const response = await open(headers, this.#signal);
    try {
      return { response, ...this.#placeOf(response) };
    } catch (error) {
      response.body.destroy();
      throw error;
    }
  }

  /** Which part of the answer is wanted. */
  #placeOf(response: HttpResponse): Omit<Answer, 'response'> {
    if (response.status === 416) throw this.#wrongSize('is shorter', { status: 416 });
    const end = response.status === 206 ? this.#endOfRange(response) : this.#endOfWhole(response);
    const etag = headerOf(response, 'etag');
    const strong = etag !== undefined && etag.startsWith('"') && etag.length <= 256 ? etag : undefined;
    if (response.status === 206) {
      this.#etag ??= strong;
      return { discardBytes: 0, end };
    }
    this.#etag = strong;
    return { discardBytes: this.#offset, end };
  }

  /** Of an answer with everything, whatever was asked for. */
  #endOfWhole(response: HttpResponse): number {
    const { what, sizeBytes, segment } = this.#options;
    const length = headerOf(response, 'content-length');
    if (length !== undefined && Number(length) !== sizeBytes) {
      throw this.#wrongSize(Number(length) > sizeBytes ? 'is longer' : 'is shorter');
    }
    const whole = segment?.whole ?? this.#options;
    const isPart = whole.start > 0 || whole.end < sizeBytes;
    const isTooFar = isPart && this.#offset > MAX_DISCARD_BYTES;
    if (isTooFar || (segment !== undefined && segment.claimRest === undefined)) {
      throw new ClipctlError('REGISTRY_ERROR', `${what}: the server sends the whole blob where a part was asked for`, {
        details: { status: response.status, start: this.#offset },
        retryable: !isTooFar,
      });
    }
    if (segment?.claimRest !== undefined) this.#end = segment.claimRest();
    return this.#end;
  }

  /** A range that starts where it must; it may end earlier than was asked (RFC 9110 §15.3.7). */
  #endOfRange(response: HttpResponse): number {
    const { what, sizeBytes } = this.#options;
    const range = parseContentRange(headerOf(response, 'content-range'));
    if (range?.totalBytes !== undefined && range.totalBytes !== sizeBytes) {
      throw this.#wrongSize(range.totalBytes > sizeBytes ? 'is longer' : 'is shorter');
    }
    if (range?.start === this.#offset && range.end <= this.#end && !this.#isRangeBroken) return range.end;
    const isSecond = this.#isRangeBroken;
    this.#isRangeBroken = true;
    throw new ClipctlError('REGISTRY_ERROR', `${what}: the server sent another range than it was asked for`, {
      retryable: !isSecond,
      retryAfterMs: 0,
    });
  }

  #wrongSize(problem: string, details: ErrorDetails = {}): ClipctlError {
    const { what, sizeBytes } = this.#options;
    return new ClipctlError('SIZE_MISMATCH', `${what}: the blob ${problem} than the ${sizeBytes} bytes of its descriptor`, {
      details: { sizeBytes, ...details },
    });
  }
}
