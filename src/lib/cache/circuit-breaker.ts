/**
 * Leaves a failing remote alone: three failures in a row, or a run's patience used up, and calls fail at once; after a
 * pause one call may try, and the others follow when it succeeds. One breaker serves all layers of a run.
 */
import { ClipctlError } from '../errors.ts';
import type { RemotePatience } from './remote-patience.ts';

/** A server may answer lookups and break in every transfer: each kind is counted for itself. */
export type CallKind = 'lookup' | 'transfer';

const MAX_FAILURES = 3;
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

export class CircuitBreaker {
  readonly #url: string;
  readonly #patience: RemotePatience;
  readonly #now: () => number;
  readonly #failures: Record<CallKind, number> = { lookup: 0, transfer: 0 };
  #pauseMs = FIRST_PAUSE_MS;
  #open: { readonly error: ClipctlError; readonly until: number } | undefined;
  /** The kind of the call that tries whether the remote is back. */
  #probe: CallKind | undefined;

  constructor(url: string, patience: RemotePatience, now: () => number = () => performance.now()) {
    this.#url = url;
    this.#patience = patience;
    this.#now = now;
  }

  /** Every call that enters must say how it ended. @throws ClipctlError REMOTE_FAILED, always the same, while open */
  enter(kind: CallKind): void {
    if (this.#open === undefined) return;
    if (this.#probe !== undefined || this.#patience.leftMs === 0 || this.#now() < this.#open.until) throw this.#open.error;
    this.#probe = kind;
  }

  succeeded(kind: CallKind): void {
    this.#failures[kind] = 0;
    if (kind === 'transfer') {
      this.#failures.lookup = 0;
      this.#patience.restore();
    }
    if (this.#probe !== kind) return;
    this.#probe = undefined;
    this.#open = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
    // Still on trial: what failed three times fails once more, and the remote is left alone again.
    this.#failures.transfer = Math.min(this.#failures.transfer, MAX_FAILURES - 1);
    this.#failures.lookup = Math.min(this.#failures.lookup, MAX_FAILURES - 1);
  }

  /** The call ended without saying anything about the remote: its caller left, or its source broke. */
  left(kind: CallKind): void {
    if (this.#probe === kind) this.#probe = undefined;
  }

  failed(kind: CallKind, error: unknown): void {
    this.#failures[kind] += 1;
    const wasProbe = this.#probe === kind;
    if (wasProbe) {
      this.#probe = undefined;
      this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    }
    const isOver = this.#failures[kind] >= MAX_FAILURES || this.#patience.leftMs === 0;
    if (wasProbe || (isOver && this.#open === undefined)) {
      this.#open = { error: this.#open?.error ?? this.#leftAlone(error), until: this.#now() + this.#pauseMs };
    }
  }

  #leftAlone(cause: unknown): ClipctlError {
    return new ClipctlError('REMOTE_FAILED', `remote cache ${this.#url} is left alone: it keeps failing`, {
      cause,
      details: { url: this.#url },
      hint: cause instanceof ClipctlError ? (cause.hint ?? CHECK) : CHECK,
    });
  }
}

const CHECK = 'Check that the server of the remote cache runs and can be reached from here.';
