/**
 * An upload under way. Content is sent from two buffers in turn, each taken again when gRPC has passed it on: the next piece
 * is read while this one is sent, and no queue of the client's grows.
 */
import type { ClientWritableStream, requestCallback } from '@grpc/grpc-js';
import { ClipctlError } from '../../../errors.ts';
import { CONTENT_MARGIN_BYTES, contentMessage } from './messages.ts';
import { grpcFailure, noAnswer } from './grpc-failure.ts';

export interface StoreCallOptions {
  /** `host:port`, for messages. */
  readonly name: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface StoreAnswer {
  readonly hash: string;
}

type Begin = (answered: requestCallback<StoreAnswer>) => ClientWritableStream<Buffer>;

/** A server that has all bytes hashes them before it answers: so fast at least. */
const FINISH_BYTES_PER_SECOND = 32 * 1024 * 1024;

export class StoreCall {
  readonly #options: StoreCallOptions;
  readonly #call: ClientWritableStream<Buffer>;
  readonly #cancel = (): void => this.#call.cancel();
  /** Who waits for gRPC hears of the end of the call. */
  #wake: () => void = () => undefined;
  #end: { readonly answer: StoreAnswer } | { readonly error: unknown } | undefined;
  #writing = 0;
  #sentBytes = 0;
  #turn = 0;

  constructor(options: StoreCallOptions, begin: Begin) {
    this.#options = options;
    this.#call = begin((error, answer) => {
      this.#end = answer === undefined ? { error } : { answer };
      options.signal.removeEventListener('abort', this.#cancel);
      this.#wake();
    });
    // The answer tells; a stream without a listener would take the process along.
    this.#call.on('error', () => undefined);
    options.signal.addEventListener('abort', this.#cancel, { once: true });
  }

  /** Takes the next bytes, copied into `memory`, which is for this call alone: both halves are in use until it has ended. */
  async send(piece: Uint8Array, memory: Buffer): Promise<void> {
    const half = Math.floor(memory.length / 2);
    const room = half - CONTENT_MARGIN_BYTES;
    for (let at = 0; at < piece.length; at += room) {
      const part = piece.subarray(at, at + room);
      await this.#until(() => this.#writing < 2, this.#options.timeoutMs);
      const slot = memory.subarray(this.#turn * half, (this.#turn + 1) * half);
      slot.set(part, CONTENT_MARGIN_BYTES);
      this.#turn = 1 - this.#turn;
      this.#write(contentMessage(slot, part.length));
      this.#sentBytes += part.length;
    }
  }

  /** All was sent: the hash that the server has found. */
  async finish(): Promise<string> {
    await this.#until(() => this.#writing === 0, this.#options.timeoutMs);
    this.#call.end();
    const finishMs = this.#options.timeoutMs + (this.#sentBytes * 1000) / FINISH_BYTES_PER_SECOND;
    await this.#until(() => this.#end !== undefined, finishMs);
    if (this.#end !== undefined && 'answer' in this.#end) return this.#end.answer.hash;
    throw this.#failure();
  }

  /** Leaves nothing on the server. */
  cancel(): void {
    this.#options.signal.removeEventListener('abort', this.#cancel);
    this.#call.cancel();
  }

  #write(message: Buffer): void {
    this.#writing += 1;
    // Called once what was written before has been taken, whatever write() returned.
    this.#call.write(message, () => {
      this.#writing -= 1;
      this.#wake();
    });
  }

  /** @throws when the call has ended before that, or nothing moved for so long */
  async #until(isReached: () => boolean, limitMs: number): Promise<void> {
    while (!isReached()) {
      if (this.#end !== undefined) throw this.#failure();
      const isLate = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), limitMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
      if (isLate) throw noAnswer(this.#options.name);
    }
    this.#options.signal.throwIfAborted();
  }

  #failure(): Error {
    const { name, signal } = this.#options;
    if (this.#end !== undefined && 'error' in this.#end) return grpcFailure(this.#end.error, name, signal);
    return new ClipctlError('REMOTE_FAILED', `${name} answered before it had all of the content`, { details: { host: name } });
  }
}
