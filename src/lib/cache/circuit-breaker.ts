/**
 * Leaves a failing remote alone: after three failures in a row calls fail at once; after a pause one call may try, and the
 * others follow when it succeeds. One breaker serves all layers of a run. How long a single call may wait is not decided
 * here (patient-cache.ts, and the timeouts of the drivers).
 */
import { ClipctlError } from '../errors.ts';

/** A server may answer lookups and break in every transfer: each kind is counted for itself. */
export type CallKind = 'lookup' | 'transfer';

/** What is held back while it is open. */
export type GuardedCalls = 'all calls' | 'writes';

const MAX_FAILURES = 3;
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 60_000;

export class CircuitBreaker {
  readonly #url: string;
  readonly #guards: GuardedCalls;
  readonly #now: () => number;
  readonly #failures: Record<CallKind, number> = { lookup: 0, transfer: 0 };
  #pauseMs = FIRST_PAUSE_MS;
  #open: { readonly error: ClipctlError; readonly until: number } | undefined;
  /** The kind of the call that tries whether the remote is back. */
  #probe: CallKind | undefined;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(url: string, guards: GuardedCalls = 'all calls', now: () => number = () => performance.now()) {
    this.#url = url;
    this.#guards = guards;
    this.#now = now;
  }

  /** Every call that enters must say how it ended. @throws ClipctlError REMOTE_FAILED, always the same, while open */
  enter(kind: CallKind): void {
    if (this.#open === undefined) return;
    if (this.#probe !== undefined || this.#now() < this.#open.until) throw this.#open.error;
    this.#probe = kind;
  }

  succeeded(kind: CallKind): void {
    this.#failures[kind] = 0;
    if (this.#probe !== kind) return;
    this.#probe = undefined;
    this.#open = undefined;
    // A lookup that succeeds says little about transfers: those stay on trial, and one failure is enough.
    this.#failures.transfer = Math.min(this.#failures.transfer, MAX_FAILURES - 1);
    this.#failures.lookup = Math.min(this.#failures.lookup, MAX_FAILURES - 1);
    if (kind === 'transfer') this.#pauseMs = FIRST_PAUSE_MS;
  }

  /** The call ended without saying anything about the remote: its caller left, or its source broke. */
  left(kind: CallKind): void {
    if (this.#probe === kind) this.#probe = undefined;
  }

  failed(kind: CallKind, error: unknown): void {
    this.#failures[kind] += 1;
    if (this.#probe === kind) {
      this.#probe = undefined;
      this.#openWith(this.#open?.error ?? this.#leftAlone(error));
    } else if (this.#open === undefined && this.#failures[kind] >= MAX_FAILURES) {
      this.#openWith(this.#leftAlone(error));
    }
  }

  #openWith(error: ClipctlError): void {
    this.#open = { error, until: this.#now() + this.#pauseMs };
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
  }

  #leftAlone(cause: unknown): ClipctlError {
    const left = this.#guards === 'all calls' ? 'is left alone: it' : 'gets no more writes: one after another';
    return new ClipctlError('REMOTE_FAILED', `remote cache ${this.#url} ${left} keeps failing`, {
      cause,
      details: { url: this.#url },
      hint: cause instanceof ClipctlError ? (cause.hint ?? CHECK) : CHECK,
    });
  }
}

const CHECK = 'Check that the server of the remote cache runs and can be reached from here.';
