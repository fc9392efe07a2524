/**
 * Sending content as chunks under names of this store alone, several on their way before the first is acknowledged. Each
 * expires by itself unless it is published, whatever happens to this process.
 */
import { randomBytes } from 'node:crypto';
import { ClipctlError } from '../../../errors.ts';
import { PIECE_BYTES, type BufferBudget } from '../../buffer-budget.ts';
import type { Command } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { arrivingKey, VALUE_BYTES } from './redis-keys.ts';

/** What is sent without a lease, one at a time, while the budget has no room. */
const UNLEASED_BYTES = 64 * 1024;
const KEYS_PER_COMMAND = 256;

export interface SendOptions {
  readonly name: string;
  readonly budget: BufferBudget;
  /** A chunk that is not published dies after so long. */
  readonly expiryMs: number;
  /** Pieces on their way at once, at most. */
  readonly inFlight: number;
  readonly signal: AbortSignal;
}

type Outcome = { readonly error: unknown } | { readonly isDone: true };

export class ArrivingChunks {
  readonly #connection: RedisConnection;
  readonly #options: SendOptions;
  readonly #token = randomBytes(8).toString('hex');
  /** Oldest first; they never reject. */
  readonly #sendings: Promise<Outcome>[] = [];
  #unleased: Buffer | undefined;
  #sentBytes = 0;
  #renewedAtMs = performance.now();

  constructor(connection: RedisConnection, options: SendOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get chunks(): number {
    return Math.ceil(this.#sentBytes / VALUE_BYTES);
  }

  key(index: number): string {
    return arrivingKey(this.#options.name, this.#token, index);
  }

  /** Takes the next bytes; they are used up when this returns. */
  async send(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      const room = VALUE_BYTES - (this.#sentBytes % VALUE_BYTES);
      const part = piece.subarray(at, at + Math.min(room, PIECE_BYTES));
      await this.#sendPart(part);
      at += part.length;
    }
    await this.#renewWhenDue();
  }

  /** Resolves when the server has acknowledged everything. */
  async settle(): Promise<void> {
    while (this.#sendings.length > 0) await this.#finishOldest();
  }

  /** Takes back what was sent, as far as the server can be reached within `signal`. */
  async discard(signal: AbortSignal): Promise<void> {
    this.#sendings.length = 0;
    await this.#forAll((keys) => ['UNLINK', ...keys], signal);
  }

  async #sendPart(part: Uint8Array): Promise<void> {
    if (this.#sendings.length >= this.#options.inFlight) await this.#finishOldest();
    const { budget } = this.#options;
    let lease = budget.tryAcquireBuffer(PIECE_BYTES);
    // A piece is its owner's again before it is acknowledged: no room, no copy until an earlier one has gone.
    while (lease === undefined && this.#sendings.length > 0) {
      await this.#finishOldest();
      lease = budget.tryAcquireBuffer(PIECE_BYTES);
    }
    if (lease === undefined) return this.#sendSmall(part);
    const { buffer } = lease;
    buffer.set(part);
    const letGo = (): void => lease.release();
    this.#sendings.push(
      this.#set(buffer.subarray(0, part.length), letGo).then(
        () => ({ isDone: true }) as const,
        (error: unknown) => ({ error }),
      ),
    );
  }

  async #sendSmall(part: Uint8Array): Promise<void> {
    // One for all: the next is copied into it when the server has the last; after a failure there is no next.
    const buffer = (this.#unleased ??= Buffer.allocUnsafeSlow(UNLEASED_BYTES));
    for (let at = 0; at < part.length; at += UNLEASED_BYTES) {
      const small = part.subarray(at, at + UNLEASED_BYTES);
      buffer.set(small);
      await this.#set(buffer.subarray(0, small.length), () => undefined);
    }
  }

  async #set(value: Buffer, letGo: () => void): Promise<void> {
    const { expiryMs, signal } = this.#options;
    const within = this.#sentBytes % VALUE_BYTES;
    const key = this.key(Math.floor(this.#sentBytes / VALUE_BYTES));
    this.#sentBytes += value.length;
    if (within === 0) {
      await this.#connection.callUncopied(['SET', key, value, 'PX', expiryMs], letGo, signal);
      return;
    }
    const length = await this.#connection.callUncopied(['APPEND', key, value], letGo, signal);
    if (length !== within + value.length) throw chunkLost(this.#options.name);
  }

  async #finishOldest(): Promise<void> {
    const outcome = await this.#sendings.shift();
    if (outcome !== undefined && 'error' in outcome) throw outcome.error;
  }

  /** A large layer over a slow line takes longer than its first chunk lives. */
  async #renewWhenDue(): Promise<void> {
    const { expiryMs, signal } = this.#options;
    if (performance.now() - this.#renewedAtMs < expiryMs / 3) return;
    this.#renewedAtMs = performance.now();
    await this.settle();
    for (let index = 0; index < this.chunks; index += 1)
      await this.#connection.call(['PEXPIRE', this.key(index), expiryMs], signal);
  }

  async #forAll(commandOf: (keys: string[]) => Command, signal: AbortSignal): Promise<void> {
    for (let first = 0; first < this.chunks; first += KEYS_PER_COMMAND) {
      const count = Math.min(KEYS_PER_COMMAND, this.chunks - first);
      await this.#connection.call(commandOf(Array.from({ length: count }, (_, at) => this.key(first + at))), signal);
    }
  }
}

/** What expires is what a full server throws out first. */
export function chunkLost(name: string): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `the server dropped chunks of ${name} while they were sent`, {
    details: { name },
    hint: 'It has too little memory for this layer: raise its maxmemory.',
  });
}
