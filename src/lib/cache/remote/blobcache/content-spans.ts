/** Reading content in spans, several asked for before the first has come. */
import type { BufferBudget, Lease } from '../../buffer-budget.ts';
import { SMALL_BYTES } from '../../buffer-budget.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { corruptAt } from '../remote-readable.ts';
import { MAX_READ_BYTES, type BlobcacheHost } from './blobcache-host.ts';
import { noAnswer } from './grpc-failure.ts';

export interface SpanReading {
  /** Of the remote, for messages. */
  readonly url: string;
  readonly hash: ContentHash;
  readonly start: number;
  /** Exclusive, within the content. */
  readonly end: number;
  readonly budget: BufferBudget;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Under way at once while the budget has the room: a message is there twice while gRPC puts it together. */
const AHEAD = 4;
const LEASE_BYTES = AHEAD * 2 * MAX_READ_BYTES;

type Outcome = { readonly pieces: readonly Buffer[] | undefined; readonly length: number } | { readonly error: unknown };

export class ContentSpans {
  readonly #host: BlobcacheHost;
  readonly #reading: SpanReading;
  readonly #left = new AbortController();
  readonly #signal: AbortSignal;
  readonly #lease: Lease | undefined;
  readonly #spanBytes: number;
  readonly #underWay: Promise<Outcome>[] = [];
  #askedUntil: number;
  #givenUntil: number;
  #onBytes: () => void = () => undefined;

  constructor(host: BlobcacheHost, reading: SpanReading) {
    this.#host = host;
    this.#reading = reading;
    this.#askedUntil = this.#givenUntil = reading.start;
    this.#signal = AbortSignal.any([reading.signal, this.#left.signal]);
    this.#lease = reading.budget.tryAcquire(LEASE_BYTES);
    this.#spanBytes = this.#lease === undefined ? SMALL_BYTES / 2 : MAX_READ_BYTES;
  }

  /** The next pieces; `undefined` when the server has none there, and none at the end. */
  async next(): Promise<readonly Buffer[] | undefined> {
    this.#ask();
    const [oldest] = this.#underWay;
    if (oldest === undefined) return [];
    const outcome = await this.#unlessStalled(oldest);
    void this.#underWay.shift();
    if ('error' in outcome) throw outcome.error;
    const foundBytes = (outcome.pieces ?? []).reduce((sum, { length }) => sum + length, 0);
    if (foundBytes > 0 && foundBytes < outcome.length)
      throw corruptAt(this.#reading, `bytes from ${this.#givenUntil + foundBytes} on are missing`);
    this.#givenUntil += foundBytes;
    return outcome.pieces;
  }

  /** All pieces behind those that `next` has given. @throws ClipctlError CACHE_CORRUPT where some are missing */
  async *rest(): AsyncGenerator<Buffer, void, undefined> {
    while (this.#givenUntil < this.#reading.end) {
      const pieces = await this.next();
      if (pieces === undefined) throw corruptAt(this.#reading, `bytes from ${this.#givenUntil} on are missing`);
      yield* pieces;
    }
  }

  /** Ends what is under way; the room for it is given back when it has ended. */
  close(): void {
    this.#left.abort();
    void Promise.all(this.#underWay).then(() => this.#lease?.release());
  }

  #ask(): void {
    const { hash, end } = this.#reading;
    const ahead = this.#lease === undefined ? 1 : AHEAD;
    while (this.#underWay.length < ahead && this.#askedUntil < end) {
      const length = Math.min(this.#spanBytes, end - this.#askedUntil);
      this.#underWay.push(this.#read({ hash, offset: this.#askedUntil, length }));
      this.#askedUntil += length;
    }
  }

  /** As a value: an error nobody waits for any more is no unhandled rejection. */
  async #read(request: { readonly hash: string; readonly offset: number; readonly length: number }): Promise<Outcome> {
    try {
      const pieces = await this.#host.read(request, { signal: this.#signal, onBytes: () => this.#onBytes() });
      return { pieces, length: request.length };
    } catch (error) {
      return { error };
    }
  }

  async #unlessStalled(outcome: Promise<Outcome>): Promise<Outcome> {
    const timer = setTimeout(() => this.#left.abort(noAnswer(this.#host.name)), this.#reading.timeoutMs);
    this.#onBytes = () => timer.refresh();
    try {
      return await outcome;
    } finally {
      clearTimeout(timer);
    }
  }
}
