/** A content cache behind a circuit breaker. */
import type { Readable } from 'node:stream';
import { errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import { CircuitBreaker, type CallKind } from './circuit-breaker.ts';
import type { ContentCache } from './content-cache.ts';
import { intercept } from './intercept.ts';
import { observeStream } from './observed-stream.ts';
import { failureTap } from './tapped-source.ts';

/** Found by a driver in what it is given to send; wrong bytes that it receives are CACHE_CORRUPT. */
const BAD_SOURCE: ReadonlySet<ErrorCode> = new Set(['SIZE_MISMATCH', 'DIGEST_MISMATCH']);

export interface BreakerUse {
  /** Wrong content says nothing against the server: it is going to be mended there. */
  readonly isMended?: boolean;
}

/**
 * A server that takes nothing (no right to write, no room, wrong content that it keeps) may still serve: writes have a
 * breaker of their own, which holds back nothing else.
 */
export interface Breakers {
  readonly all: CircuitBreaker;
  readonly writes: CircuitBreaker;
}

export function newBreakers(url: string): Breakers {
  return { all: new CircuitBreaker(url), writes: new CircuitBreaker(url, 'writes') };
}

/** @throws ClipctlError, from all calls or all writes: REMOTE_FAILED while their breaker is open */
export function withBreaker(
  inner: ContentCache,
  { all: breaker, writes }: Breakers,
  { isMended = false }: BreakerUse = {},
): ContentCache {
  const isWrongContent = (error: unknown): boolean => isMended && errorCodeOf(error) === 'CACHE_CORRUPT';
  return intercept(inner, {
    look: async (signal, call) => {
      const found = await attempt({ breaker, signal, kind: 'lookup' }, () => call(signal));
      breaker.succeeded('lookup');
      return found;
    },
    read: async (signal, open) => {
      const trial: Trial = { breaker, signal, kind: 'transfer', isTheirs: (error) => !isWrongContent(error) };
      const stream = await attempt(trial, () => open(signal));
      // A miss is an answer: whether bytes would come it does not tell.
      if (stream === undefined) breaker.left('transfer');
      return stream === undefined ? undefined : watched(stream, trial);
    },
    write: async ({ signal, send }) => {
      const source = failureTap();
      const isTheirs = (error: unknown): boolean => source.failure === undefined && !BAD_SOURCE.has(errorCodeOf(error));
      const result = await attemptWrite({ all: breaker, writes }, { signal, isTheirs }, () => send({ signal, tap: source.tap }));
      for (const each of [breaker, writes]) {
        if (result.sentBytes > 0) each.succeeded('transfer');
        else each.left('transfer');
      }
      return result;
    },
    remove: async (signal, call) => {
      const removed = await attemptWrite({ all: breaker, writes }, { signal }, () => call(signal));
      // What goes through says nothing about content.
      for (const each of [breaker, writes]) each.left('transfer');
      return removed;
    },
  });
}

interface Trial {
  readonly breaker: CircuitBreaker;
  readonly signal: AbortSignal;
  readonly kind: CallKind;
  readonly isTheirs?: (error: unknown) => boolean;
}

/** Passes both breakers; a failure counts for writes alone. */
function attemptWrite<T>({ all, writes }: Breakers, trial: Omit<Trial, 'breaker' | 'kind'>, call: () => Promise<T>): Promise<T> {
  const { signal } = trial;
  return attempt({ breaker: all, signal, kind: 'transfer', isTheirs: () => false }, () =>
    attempt({ ...trial, breaker: writes, kind: 'transfer' }, call),
  );
}

async function attempt<T>(trial: Trial, call: () => Promise<T>): Promise<T> {
  trial.signal.throwIfAborted();
  trial.breaker.enter(trial.kind);
  try {
    return await call();
  } catch (error) {
    failed(trial, error);
    throw error;
  }
}

/**
 * Who gave up waiting for a remote aborts with TIMEOUT: that speaks against the remote, an abort of the run does not.
 */
function failed({ breaker, signal, kind, isTheirs = () => true }: Trial, error: unknown): void {
  const isGivenUp = signal.aborted && errorCodeOf(signal.reason) === 'TIMEOUT';
  const isLeft = (signal.aborted || isAbort(error)) && !isGivenUp;
  if (isLeft || !isTheirs(error)) breaker.left(kind);
  else breaker.failed(kind, error);
}

function watched(stream: Readable, trial: Trial): Readable {
  return observeStream(stream, {
    onEnd: () => trial.breaker.succeeded(trial.kind),
    onFailure: (error) => failed(trial, error),
    onLeft: () => failed(trial, trial.signal.aborted ? trial.signal.reason : new DOMException('left', 'AbortError')),
  });
}
