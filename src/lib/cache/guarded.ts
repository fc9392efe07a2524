/** A content cache that cannot hold up a run: limits on waiting, and a breaker that leaves a failing remote alone. */
import type { Readable } from 'node:stream';
import { ClipctlError, errorCodeOf, type ErrorCode } from '../errors.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import type { CallKind, CircuitBreaker } from './circuit-breaker.ts';
import type { ContentCache, StoreResult } from './content-cache.ts';
import { intercept, type WriteCall } from './intercept.ts';
import { observeStream } from './observed-stream.ts';
import { Pace } from './pace.ts';
import type { RemotePatience } from './remote-patience.ts';
import { StorePace } from './store-pace.ts';
import type { SourceTap } from './tapped-source.ts';

export interface Guard {
  readonly breaker: CircuitBreaker;
  readonly patience: RemotePatience;
  /** For stores of a driver that does not say what it sends. */
  readonly timeoutMs: number;
}

/** @throws ClipctlError, from all calls: REMOTE_FAILED while the breaker is open, TIMEOUT */
export function guardedCache(inner: ContentCache, guard: Guard): ContentCache {
  const { url } = inner;
  return intercept(inner, {
    look: (signal, call) => answered({ url, guard, signal, kind: 'lookup' }, call),
    read: (signal, open) => guardedRead({ url, guard, signal, kind: 'transfer' }, open),
    write: (call) => guardedWrite({ url, guard, signal: call.signal, kind: 'transfer' }, call),
  });
}

interface Call {
  readonly url: string;
  readonly guard: Guard;
  readonly signal: AbortSignal;
  readonly kind: CallKind;
}

async function answered<T>(call: Call, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const attempt = enter(call);
  try {
    const result = await attempt.answer(work);
    call.guard.breaker.succeeded(call.kind);
    return result;
  } catch (error) {
    throw attempt.failed(error);
  }
}

async function guardedRead(
  call: Call,
  open: (signal: AbortSignal) => Promise<Readable | undefined>,
): Promise<Readable | undefined> {
  const attempt = enter(call);
  const { breaker, patience } = call.guard;
  try {
    const stream = await attempt.answer(open, (late) => late?.destroy());
    // A miss is an answer: whether bytes would come it does not tell.
    if (stream !== undefined) return attempt.stream(stream, patience);
    breaker.left(call.kind);
    return undefined;
  } catch (error) {
    throw attempt.failed(error);
  }
}

async function guardedWrite<T extends Pick<StoreResult, 'sentBytes'>>(call: Call, write: WriteCall<T>): Promise<T> {
  const attempt = enter(call);
  try {
    const result = await attempt.store(write);
    if (result.sentBytes > 0) call.guard.breaker.succeeded(call.kind);
    else call.guard.breaker.left(call.kind);
    return result;
  } catch (error) {
    throw attempt.failed(error);
  }
}

function enter(call: Call): Attempt {
  call.signal.throwIfAborted();
  call.guard.breaker.enter(call.kind);
  return new Attempt(call);
}

class Attempt {
  readonly #call: Call;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #since = performance.now();
  #isSourceBroken = false;

  constructor(call: Call) {
    this.#call = call;
    this.#signal = AbortSignal.any([call.signal, this.#stop.signal]);
  }

  /** @param onLate gets what comes when nobody waits any more */
  async answer<T>(work: (signal: AbortSignal) => Promise<T>, onLate?: (late: T) => void): Promise<T> {
    const { patience } = this.#call.guard;
    const limitMs = Math.min(patience.limits.answerMs, patience.leftMs, this.#call.guard.timeoutMs);
    const timer = setTimeout(() => this.#giveUp(`did not answer within ${seconds(limitMs)}`), limitMs);
    let isOver = false;
    try {
      const working = work(this.#signal);
      working.then(
        (result) => isOver && onLate?.(result),
        () => undefined,
      );
      return await waitOrAbort(working, this.#signal);
    } finally {
      isOver = this.#signal.aborted;
      clearTimeout(timer);
    }
  }

  stream(inner: Readable, { limits }: RemotePatience): Readable {
    const { kind, guard } = this.#call;
    let fail: (error: Error) => void = () => undefined;
    const pace = new Pace(limits, () => fail(this.#tooSlow()));
    return observeStream(inner, {
      onAsked: (failStream) => {
        fail = failStream;
        pace.wait();
      },
      onBytes: (bytes) => {
        pace.moved(bytes);
        pace.rest();
      },
      onEnd: () => guard.breaker.succeeded(kind),
      onFailure: (error) => {
        this.#since = pace.waitingSince;
        pace.rest();
        this.failed(error);
      },
      onLeft: () => {
        pace.rest();
        guard.breaker.left(kind);
      },
    });
  }

  async store<T>(write: WriteCall<T>): Promise<T> {
    const pace = new StorePace(this.#call.guard, write, () => this.#stop.abort(this.#tooSlow()));
    const tap: SourceTap = { ...pace.tap, onFailure: () => (this.#isSourceBroken = true) };
    try {
      const working = write.send({ signal: this.#signal, tap, onSent: pace.onSent });
      return await waitOrAbort(working, this.#signal);
    } finally {
      this.#since = pace.end();
    }
  }

  /** Tells the breaker. @returns what to throw */
  failed(error: unknown): unknown {
    const { signal, kind, guard } = this.#call;
    if (signal.aborted || this.#isSourceBroken || BAD_SOURCE.has(errorCodeOf(error))) {
      guard.breaker.left(kind);
      return error;
    }
    guard.patience.spend(this.#since);
    guard.breaker.failed(kind, error);
    return error;
  }

  #giveUp(problem: string): void {
    const { url } = this.#call;
    this.#stop.abort(new ClipctlError('TIMEOUT', `remote cache ${url} ${problem}`, { details: { url } }));
  }

  #tooSlow(): ClipctlError {
    const { url } = this.#call;
    return new ClipctlError('TIMEOUT', `remote cache ${url} is too slow to wait for`, { details: { url } });
  }
}

/** Found by a driver in what it is given to send; what it receives fails with CACHE_CORRUPT. */
const BAD_SOURCE: ReadonlySet<ErrorCode> = new Set(['SIZE_MISMATCH', 'DIGEST_MISMATCH']);

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
