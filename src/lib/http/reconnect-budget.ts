/**
 * How often one body may be asked for again. Progress is free (after containerd), but it has to be real: a server that
 * sends a byte and cuts would else be asked for ever, without a pause and without anybody seeing it.
 */
import { ClipctlError, isRetryable } from '../errors.ts';
import { waitBeforeRetry, type RetryContext } from './retry.ts';

/** New bytes since the last answer that make a cut free; fewer make it a failed try. */
export const PROGRESS_BYTES = 64 * 1024;
/** Reconnects of one body, free or not: this many, and one more for each 64 KiB of the blob, so that one cut
 * at every 64 KiB (RELIABILITY §2 row 4) still arrives. */
const BASE_RECONNECTS = 100;
const BYTES_PER_RECONNECT = 64 * 1024;

export class ReconnectBudget {
  readonly #context: RetryContext;
  readonly #maxReconnects: number;
  #reconnects = 0;
  #failures = 0;

  constructor(context: RetryContext, sizeBytes: number) {
    this.#context = context;
    this.#maxReconnects = BASE_RECONNECTS + Math.ceil(sizeBytes / BYTES_PER_RECONNECT);
  }

  /** An answer broke after `freshBytes` new bytes: returns when it may be asked for again, throws when it may not. */
  async broken(error: Error, freshBytes: number): Promise<void> {
    if (freshBytes < PROGRESS_BYTES || !isRetryable(error) || !(error instanceof ClipctlError)) return this.failed(error);
    this.#countReconnect(error);
    this.#failures = 0;
    const { what, policy } = this.#context;
    policy.onRetry?.({ what, attempt: 1, waitMs: 0, reason: error.code });
  }

  /** A try without progress: waits as the policy has it; throws when it was the last. */
  async failed(error: unknown): Promise<void> {
    this.#countReconnect(error);
    await waitBeforeRetry(error, ++this.#failures, this.#context);
  }

  /** An answer gave less than was asked for, as it may (RFC 9110 §15.3.7): fine, unless it is next to nothing. */
  async partial(freshBytes: number): Promise<void> {
    if (freshBytes >= PROGRESS_BYTES) {
      this.#failures = 0;
      return;
    }
    const message = `${this.#context.what}: the server sends the blob in pieces of ${freshBytes} bytes`;
    await this.failed(new ClipctlError('REGISTRY_ERROR', message, { retryable: true }));
  }

  #countReconnect(error: unknown): void {
    if (!isRetryable(error) || !(error instanceof ClipctlError) || ++this.#reconnects <= this.#maxReconnects) return;
    throw new ClipctlError(error.code, `${this.#context.what}: the connection broke ${this.#reconnects} times`, {
      cause: error,
      details: { ...error.details, reconnects: this.#reconnects },
      hint: 'Something between here and the server cuts connections: check it, or use a mirror.',
      retryable: false,
    });
  }
}
