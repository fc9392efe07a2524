/**
 * A long body over several connections, in order. It begins as one stream; only when its reader waits for the connection
 * are ranges after it asked for at the same time, each in memory that the budget lends at once or not at all. What goes
 * wrong ahead is asked for again, alone, when its turn comes, and then counts; so nothing depends on the ranges.
 */
import type { Readable } from 'node:stream';
import { ClipctlError, isRetryable } from '../errors.ts';
import { AHEAD_BYTES, AheadPiece, type AheadMemory } from './ahead-piece.ts';
import type { AheadShelf, AheadStore } from './ahead-store.ts';
import { generatedStream } from './generated-stream.ts';
import { keptPiecesIn, type KeptPiece } from './kept-piece.ts';
import type { OpenStreams } from './open-streams.ts';
import { openResumingBody, ResumingBody, type ResumingBodyOptions } from './resuming-body.ts';
import { SpeedWatch, TICK_MS } from './speed-watch.ts';

export interface ParallelOptions {
  readonly memory: AheadMemory;
  readonly streams: OpenStreams;
  /** Answers of one body that are read at once. */
  readonly connections: number;
}

export interface ParallelBodyOptions extends ResumingBodyOptions {
  /** Whose connections count together. */
  readonly host: string;
  readonly parallel: ParallelOptions;
  /** Absent: nobody could go on with what was read. It is closed here. */
  readonly ahead?: AheadStore | undefined;
}

/** A shorter body is not worth a second connection. */
export const MIN_PARALLEL_BYTES = 16 * 1024 * 1024;
/** The first request asks for so much: enough to judge the connection, and nothing is thrown away when others join. */
const FIRST_BYTES = 8 * 1024 * 1024;
/** Pieces that wait or load: more than connections, since the first in line may be the slowest. */
const MAX_PIECES = 6;
/** The longest stretch that is read alone after failures. */
const MAX_ALONE_BYTES = 256 * 1024 * 1024;

/** @throws ClipctlError as `openResumingBody` does; the stream fails with the same */
export async function openParallelBody(options: ParallelBodyOptions): Promise<Readable> {
  const { start, end, parallel, ahead } = options;
  const kept = keptPiecesIn((await ahead?.kept()) ?? [], start, end);
  const isShort = end - start < MIN_PARALLEL_BYTES || parallel.connections < 2;
  if (isShort && kept.length === 0) {
    await ahead?.close();
    return openResumingBody(options);
  }
  const abandon = new AbortController();
  const body = new ParallelBody(options, kept, AbortSignal.any([options.signal, abandon.signal]));
  try {
    await body.open();
  } catch (error) {
    await body.close();
    if (!isRangeRefused(error) || start > 0) throw error;
    return openResumingBody(options);
  }
  const stream = generatedStream(body.pieces(), abandon);
  // Not waited for: a reader that leaves must not wait for what may never come.
  stream.once('close', () => void body.close());
  return stream;
}

/** 416 to what begins at 0 says nothing of the size: the server does not want to be asked for ranges. */
function isRangeRefused(error: unknown): boolean {
  return error instanceof ClipctlError && error.details['status'] === 416;
}

/**
 * A refusal of one of many requests may be of that one alone: of an address that was signed before its time ran out, of
 * a login that another request renews. Asked for alone it gets a new one, and that answer counts.
 */
function isWorthAskingAlone(failure: ClipctlError): boolean {
  return isRetryable(failure) || failure.code === 'FORBIDDEN' || failure.code === 'UNAUTHORIZED';
}

/** A stretch of the blob before its turn: under way, or there from before. */
type Piece = Pick<AheadPiece, 'start' | 'end' | 'isLoading' | 'loading' | 'failure' | 'pieces' | 'close' | 'forget'>;

class ParallelBody {
  readonly #options: ParallelBodyOptions;
  readonly #signal: AbortSignal;
  readonly #queue: Piece[];
  readonly #watch = new SpeedWatch();
  /** Where the next byte for the reader is. */
  #offset: number;
  /** Where what nobody has asked for begins. */
  #next: number;
  #stream: ResumingBody | undefined;
  #etag: string | undefined;
  /** False once the server has sent the whole where a range was asked for. */
  #hasRanges = true;
  #aloneBytes = AHEAD_BYTES;
  /** Nothing is asked for ahead before this is read. */
  #aloneUntil = 0;
  /** The last piece that was read: the reader still works on its bytes, and could be killed. */
  #spent: Piece | undefined;
  /** Pieces are being asked for. */
  #asking: Promise<void> | undefined;
  /** Of the request that comes next: what its piece used up. */
  #spentTries = 0;

  /** @param kept pieces of an earlier process, in order */
  constructor(options: ParallelBodyOptions, kept: readonly KeptPiece[], signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#offset = options.start;
    this.#queue = [...kept];
    this.#next = kept.at(-1)?.end ?? options.start;
  }

  async open(): Promise<void> {
    if (this.#queue[0]?.start !== this.#offset) await this.#openStream(FIRST_BYTES);
  }

  /** Lets go of everything that is under way. */
  async close(): Promise<void> {
    const pieces = this.#queue.splice(0);
    for (const piece of pieces) piece.close();
    await Promise.all([this.#asking, ...pieces.map(({ loading }) => loading)]);
    for (const piece of this.#queue.splice(0)) piece.close();
    await this.#options.ahead?.close();
  }

  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    const leave = this.#options.parallel.streams.enter(this.#options.host);
    try {
      while (this.#offset < this.#options.end) {
        const piece = this.#queue[0];
        if (piece?.start === this.#offset) yield* this.#readPiece(piece);
        else yield* this.#readStream();
      }
    } finally {
      leave();
    }
  }

  async *#readStream(): AsyncGenerator<Buffer, void, undefined> {
    const stream = this.#stream ?? (await this.#openStream(this.#watch.isSlow ? FIRST_BYTES : Infinity));
    const pieces = stream.pieces();
    const timer = setInterval(() => this.#watch.tick(performance.now()), TICK_MS);
    try {
      for (;;) {
        const { heldMs } = stream;
        this.#watch.waits(performance.now());
        const { done, value } = await pieces.next();
        if (done === true) return;
        this.#offset += value.byteLength;
        this.#watch.got(value.byteLength, performance.now(), stream.heldMs - heldMs);
        if (this.#watch.isSlow && this.#hasRanges && this.#offset >= this.#aloneUntil) this.#getAhead(stream);
        yield value;
      }
    } finally {
      clearInterval(timer);
      this.#stream = undefined;
      await pieces.return(undefined);
    }
  }

  async *#readPiece(piece: Piece): AsyncGenerator<Buffer, void, undefined> {
    for await (const bytes of piece.pieces()) {
      this.#offset += bytes.byteLength;
      this.#getAhead();
      yield bytes;
    }
    this.#queue.shift();
    piece.close();
    this.#spent?.forget();
    this.#spent = piece;
    this.#getAhead();
    if (piece.failure !== undefined) await this.#goOnAlone(piece.failure);
  }

  /** The rest of a failed piece is asked for by the stream; what was loaded after it is kept. */
  async #goOnAlone(failure: Error): Promise<void> {
    this.#signal.throwIfAborted();
    if (!(failure instanceof ClipctlError) || !isWorthAskingAlone(failure)) throw failure;
    const { what, policy } = this.#options;
    this.#aloneBytes = Math.min(MAX_ALONE_BYTES, this.#aloneBytes * 2);
    this.#aloneUntil = this.#offset + this.#aloneBytes;
    // A quota without Retry-After only gets worse by asking (http/retry.ts).
    this.#spentTries = failure.code === 'RATE_LIMITED' && failure.retryAfterMs === undefined ? policy.retries : 1;
    // It may be our own connections that were too many.
    if (failure.code === 'RATE_LIMITED') await Promise.all(this.#queue.map(({ loading }) => loading));
    this.#signal.throwIfAborted();
    policy.onRetry?.({ what, attempt: 1, most: policy.retries, waitMs: 0, reason: failure.code });
  }

  async #openStream(mostBytes: number): Promise<ResumingBody> {
    const { end } = this.#options;
    const isAlone = this.#aloneUntil > this.#offset;
    const limit = this.#queue[0]?.start ?? end;
    const stretch = Math.min(limit, isAlone ? this.#aloneUntil : this.#offset + mostBytes);
    // A rest that is hardly worth a request goes with it.
    const until = limit - stretch < AHEAD_BYTES ? limit : stretch;
    const segment = this.#segment(this.#offset, until, () => this.#claimRest());
    const retries = Math.max(0, segment.policy.retries - this.#spentTries);
    this.#spentTries = 0;
    const stream = new ResumingBody({ ...segment, policy: { ...segment.policy, retries } }, this.#signal);
    if (this.#queue.length === 0) this.#next = until;
    await stream.open();
    this.#etag ??= stream.etag;
    this.#stream = stream;
    return stream;
  }

  /** The server sends everything: it is read as far as nothing else is under way. */
  #claimRest(): number {
    this.#hasRanges = false;
    while (this.#queue.at(-1)?.failure !== undefined) this.#drop(this.#queue.pop());
    const ahead = this.#queue[0];
    if (ahead !== undefined) return ahead.start;
    this.#next = this.#options.end;
    return this.#next;
  }

  /** Makes room after a stream that would be read for long, then fills it. */
  #getAhead(stream?: ResumingBody): void {
    if (stream !== undefined && this.#queue.length === 0 && this.#next - this.#offset > 4 * AHEAD_BYTES) {
      stream.shorten(this.#offset + AHEAD_BYTES);
      this.#next = stream.end;
    }
    // One at a time: the place of the next depends on whether this one was to be had.
    this.#asking ??= this.#fill().finally(() => (this.#asking = undefined));
  }

  /** Never throws. */
  async #fill(): Promise<void> {
    const { end, parallel } = this.#options;
    while (this.#isNext(this.#next) && this.#next < end) {
      const loading = this.#queue.filter(({ isLoading }) => isLoading).length + (this.#stream === undefined ? 0 : 1);
      if (loading >= parallel.connections || this.#queue.length >= MAX_PIECES) return;
      const start = this.#next;
      const shelf = await this.#options.ahead?.take(start);
      const isPlaced = shelf !== undefined || this.#options.ahead === undefined;
      // While that was asked, the stream may have gone on alone from there.
      const piece =
        isPlaced && this.#isNext(start) ? this.#tryPiece(start, Math.min(end, start + AHEAD_BYTES), shelf) : undefined;
      if (piece === undefined) return shelf?.release();
      this.#queue.push(piece);
      this.#next = piece.end;
    }
  }

  #drop(piece: Piece | undefined): void {
    piece?.close();
    piece?.forget();
  }

  #isNext(start: number): boolean {
    return this.#next === start && this.#hasRanges && !this.#signal.aborted;
  }

  #tryPiece(start: number, end: number, shelf: AheadShelf | undefined): AheadPiece | undefined {
    const { parallel, host } = this.#options;
    const leave = parallel.streams.tryEnter(host);
    const lease = leave === undefined ? undefined : parallel.memory.tryAcquireBuffer(AHEAD_BYTES);
    if (leave === undefined || lease === undefined) {
      leave?.();
      return undefined;
    }
    // One try: what fails here is asked for again when its turn comes.
    const policy = { ...this.#options.policy, retries: 0 };
    return new AheadPiece({ ...this.#segment(start, end), policy, signal: this.#signal, lease, shelf, onLoaded: leave });
  }

  #segment(start: number, end: number, claimRest?: () => number): ResumingBodyOptions {
    const { start: wholeStart, end: wholeEnd } = this.#options;
    const whole = { start: wholeStart, end: wholeEnd };
    const segment = { whole, etag: this.#etag, ...(claimRest === undefined ? {} : { claimRest }) };
    return { ...this.#options, start, end, segment };
  }
}
