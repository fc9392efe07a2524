/**
 * How often one body may be asked for again. Progress is free (after containerd): a cut after one new byte is resumed at
 * once, and counts no try. What keeps that from going on for ever is a limit on all reconnects of the body, and one on the
 * time that brings next to nothing.
 */
import { ClipctlError, isRetryable } from '../errors.ts';
import { REAL_CLOCK } from './clock.ts';
import { isLastStall, waitBeforeRetry, type RetryContext } from './retry.ts';

/** New bytes that make a stall, or an answer shorter than was asked for, no failed try: these a server could do for ever. */
export const PROGRESS_BYTES = 64 * 1024;
/** Reconnects of one body, free or not: this many, and one more for each 64 KiB of the blob, so that one cut
 * at every 64 KiB (RELIABILITY §2 row 4) still arrives. */
const BASE_RECONNECTS = 100;
const BYTES_PER_RECONNECT = 64 * 1024;

export class ReconnectBudget {
  readonly #context: RetryContext;
  readonly #maxReconnects: number;
  readonly #nowMs: () => number;
  #reconnects = 0;
  #failures = 0;
  /** When the last real progress was, and the bytes since. */
  #progressAtMs: number;
  #freshBytes = 0;

  constructor(context: RetryContext, sizeBytes: number) {
    this.#context = context;
    this.#maxReconnects = BASE_RECONNECTS + Math.ceil(sizeBytes / BYTES_PER_RECONNECT);
    this.#nowMs = context.policy.nowMs ?? REAL_CLOCK.nowMs;
    this.#progressAtMs = this.#nowMs();
  }

  /** An answer broke after `freshBytes` new bytes: returns when it may be asked for again, throws when it may not. */
  async broken(error: Error, freshBytes: number): Promise<void> {
    const isStall = error instanceof ClipctlError && error.code === 'TIMEOUT';
    this.#count(freshBytes, isStall ? Number(error.details['idleMs'] ?? 0) : 0);
    const isProgress = freshBytes >= (isStall ? PROGRESS_BYTES : 1);
    if (!isProgress || !isRetryable(error) || !(error instanceof ClipctlError)) return this.failed(error);
    this.#countReconnect(error);
    this.#failures = 0;
    const { what, policy } = this.#context;
    policy.onRetry?.({ what, attempt: 1, most: policy.retries, waitMs: 0, reason: error.code });
  }

  /** A try without progress: waits as the policy has it; throws when it was the last. */
  async failed(error: unknown): Promise<void> {
    this.#countReconnect(error);
    await waitBeforeRetry(error, ++this.#failures, this.#context);
    // A wait that the server asked for is no stall.
    if (error instanceof ClipctlError && error.retryAfterMs !== undefined) this.#progressAtMs = this.#nowMs();
  }

  /** An answer gave less than was asked for, as it may (RFC 9110 §15.3.7): fine, unless it is next to nothing. */
  async partial(freshBytes: number): Promise<void> {
    this.#count(freshBytes, 0);
    if (freshBytes >= PROGRESS_BYTES) {
      this.#failures = 0;
      return;
    }
    const message = `${this.#context.what}: the server sends the blob in pieces of ${freshBytes} bytes`;
    await this.failed(new ClipctlError('REGISTRY_ERROR', message, { retryable: true }));
  }

  /** @param idleMs how long nothing has come since */
  #count(freshBytes: number, idleMs: number): void {
    this.#freshBytes += freshBytes;
    if (this.#freshBytes < PROGRESS_BYTES) return;
    this.#freshBytes = 0;
    this.#progressAtMs = this.#nowMs() - idleMs;
  }

  #countReconnect(error: unknown): void {
    if (!isRetryable(error) || !(error instanceof ClipctlError)) return;
    const stalledMs = this.#nowMs() - this.#progressAtMs;
    if (isLastStall(error, stalledMs, this.#context.policy))
      throw this.#over(error, `nothing came for ${Math.round(stalledMs / 1000)} s`);
    if (++this.#reconnects > this.#maxReconnects) throw this.#over(error, `the connection broke ${this.#reconnects} times`);
  }

  #over(cause: ClipctlError, problem: string): ClipctlError {
    return new ClipctlError(cause.code, `${this.#context.what}: ${problem}`, {
      cause,
      details: { ...cause.details, reconnects: this.#reconnects },
      hint: 'Something between here and the server cuts or holds up connections: check it, or use a mirror.',
      retryable: false,
    });
  }
}
