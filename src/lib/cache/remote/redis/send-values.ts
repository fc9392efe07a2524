/**
 * Sending content as chunks under names of this store alone, several on their way before the first is acknowledged. Each
 * expires by itself unless it is published, whatever happens to this process.
 */
import { randomBytes } from 'node:crypto';
import { ClipctlError } from '../../../errors.ts';
import type { BufferBudget, Lease } from '../../buffer-budget.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { Command, RedisConnection } from './redis-connection.ts';
import { arrivingKey, VALUE_BYTES } from './redis-keys.ts';

/** What is sent without a lease, one at a time, while the budget has no room. */
const UNLEASED_BYTES = 64 * 1024;
const KEYS_PER_COMMAND = 256;

export interface SendOptions {
  readonly hash: ContentHash;
  readonly budget: BufferBudget;
  /** A chunk that is not published dies after so long. */
  readonly expiryMs: number;
  /** Pieces on their way at once, at most. */
  readonly inFlight: number;
  readonly signal: AbortSignal;
}

type Outcome = { readonly error: unknown } | { readonly isDone: true };

interface Sending {
  readonly lease: Lease;
  /** Never rejects. */
  readonly done: Promise<Outcome>;
}

export class ArrivingChunks {
  readonly #connection: RedisConnection;
  readonly #options: SendOptions;
  readonly #token = randomBytes(8).toString('hex');
  readonly #sendings: Sending[] = [];
  #sentBytes = 0;
  #renewedAtMs = performance.now();

  constructor(connection: RedisConnection, options: SendOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  get chunks(): number {
    return Math.ceil(this.#sentBytes / VALUE_BYTES);
  }

  key(index: number): string {
    return arrivingKey(this.#options.hash, this.#token, index);
  }

  /** Takes the next bytes; they are used up when this returns. */
  async send(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      const room = VALUE_BYTES - (this.#sentBytes % VALUE_BYTES);
      const part = piece.subarray(at, at + Math.min(room, piece.length - at));
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
    for (const { lease, done } of this.#sendings.splice(0)) void done.then(() => lease.release());
    await this.#forAll((keys) => ['UNLINK', ...keys], signal);
  }

  async #sendPart(part: Uint8Array): Promise<void> {
    if (this.#sendings.length >= this.#options.inFlight) await this.#finishOldest();
    let lease = this.#options.budget.tryAcquire(part.length);
    // The client copies what it sends: no room, no second copy until an earlier one has gone.
    while (lease === undefined && this.#sendings.length > 0) {
      await this.#finishOldest();
      lease = this.#options.budget.tryAcquire(part.length);
    }
    if (lease === undefined) return this.#sendSmall(part);
    // Once the connection is open, the command has copied the bytes when `call` comes to its first wait.
    await this.#connection.ready(this.#options.signal);
    this.#sendings.push({
      lease,
      done: this.#set(part).then(
        () => ({ isDone: true }) as const,
        (error: unknown) => ({ error }),
      ),
    });
  }

  async #sendSmall(part: Uint8Array): Promise<void> {
    for (let at = 0; at < part.length; at += UNLEASED_BYTES) await this.#set(part.subarray(at, at + UNLEASED_BYTES));
  }

  async #set(bytes: Uint8Array): Promise<void> {
    const { expiryMs, signal } = this.#options;
    const within = this.#sentBytes % VALUE_BYTES;
    const key = this.key(Math.floor(this.#sentBytes / VALUE_BYTES));
    this.#sentBytes += bytes.length;
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (within === 0) {
      await this.#connection.call(['SET', key, value, 'PX', expiryMs], signal);
      return;
    }
    const length = await this.#connection.call(['APPEND', key, value], signal);
    if (length !== within + bytes.length) throw chunkLost(this.#options.hash);
  }

  async #finishOldest(): Promise<void> {
    const oldest = this.#sendings.shift();
    if (oldest === undefined) return;
    const outcome = await oldest.done;
    oldest.lease.release();
    if ('error' in outcome) throw outcome.error;
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
export function chunkLost(hash: ContentHash): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `the server dropped chunks of ${hash} while they were sent`, {
    details: { hash },
    hint: 'It has too little memory for this layer: raise its maxmemory.',
  });
}
