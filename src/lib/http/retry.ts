/** When to try again, and how long to wait first. `isRetryable` of errors.ts alone says whether it could help. */
import { ClipctlError, isRetryable } from '../errors.ts';
import { REAL_CLOCK, type Clock } from './clock.ts';
import { MAX_RETRY_AFTER_MS } from './retry-after.ts';

export interface RetryEvent {
  /** Host and thing, without secrets. */
  readonly what: string;
  /** 1 for the first retry. */
  readonly attempt: number;
  /** Retries that there may be in a row. */
  readonly most: number;
  readonly waitMs: number;
  readonly reason: string;
}

export interface RetryPolicy {
  /** Tries after the first. */
  readonly retries: number;
  readonly onRetry?: (event: RetryEvent) => void;
  /** Stalls that together last so long without progress are the end, whatever tries are left. Default: tries alone count. */
  readonly noProgressMs?: number;
  /** For tests: how to wait. */
  readonly sleep?: Clock['sleep'];
  /** For tests: what time it is. */
  readonly nowMs?: Clock['nowMs'];
}

export interface RetryContext {
  readonly what: string;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
}

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A quota without Retry-After only gets worse by asking (RELIABILITY §2 row 8). */
const RATE_LIMIT_RETRIES = 1;

/** Runs `attempt` until it succeeds, fails for good, or the retries are used up; then throws its last error. */
export async function withRetry<T>(context: RetryContext, attempt: () => Promise<T>): Promise<T> {
  const nowMs = context.policy.nowMs ?? REAL_CLOCK.nowMs;
  const startedAtMs = nowMs();
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (isLastStall(error, nowMs() - startedAtMs, context.policy)) throw error;
      await waitBeforeRetry(error, failures, context);
    }
  }
}

/** As `withRetry`, for one who is tried again as a whole: what was tried here as often as it may be is not retryable any more. */
export async function withOwnRetry<T>(context: RetryContext, attempt: () => Promise<T>): Promise<T> {
  try {
    return await withRetry(context, attempt);
  } catch (error) {
    throw error instanceof ClipctlError && error.retryable ? triedEnough(error) : error;
  }
}

function triedEnough({ code, message, cause, hint, details, retryAfterMs }: ClipctlError): ClipctlError {
  return new ClipctlError(code, message, {
    details,
    retryable: false,
    ...(cause === undefined ? {} : { cause }),
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Whether waiting for a server that gives nothing has lasted long enough. */
export function isLastStall(error: unknown, stalledMs: number, { noProgressMs = Infinity }: RetryPolicy): boolean {
  return error instanceof ClipctlError && error.code === 'TIMEOUT' && stalledMs >= noProgressMs;
}

/**
 * Waits before retry number `failures`; throws `error` itself when there must be none.
 * Jitter is full (0.5 s, doubled each time, at most 8 s); a Retry-After is kept to the millisecond.
 */
export async function waitBeforeRetry(error: unknown, failures: number, { what, policy, signal }: RetryContext): Promise<void> {
  signal.throwIfAborted();
  if (!isRetryable(error) || !(error instanceof ClipctlError)) throw error;
  const { retryAfterMs } = error;
  const isQuota = error.code === 'RATE_LIMITED' && retryAfterMs === undefined;
  const most = isQuota ? Math.min(RATE_LIMIT_RETRIES, policy.retries) : policy.retries;
  if (failures > most) throw error;
  if (retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
  const waitMs = retryAfterMs ?? Math.round(Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (failures - 1)));
  policy.onRetry?.({ what, attempt: failures, most, waitMs, reason: error.code });
  await (policy.sleep ?? REAL_CLOCK.sleep)(waitMs, signal);
}
