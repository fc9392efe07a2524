/** When to try again, and how long to wait first. `isRetryable` of errors.ts alone says whether it could help. */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { ClipctlError, isRetryable } from '../errors.ts';

export interface RetryEvent {
  /** Host and thing, without secrets. */
  readonly what: string;
  /** 1 for the first retry. */
  readonly attempt: number;
  readonly waitMs: number;
  readonly reason: string;
}

export interface RetryPolicy {
  /** Tries after the first. */
  readonly retries: number;
  readonly onRetry?: (event: RetryEvent) => void;
  /** For tests: how to wait. */
  readonly sleep?: (waitMs: number, signal: AbortSignal) => Promise<void>;
}

export interface RetryContext {
  readonly what: string;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
}

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A server that asks for a longer wait than this is not waited for. */
export const MAX_RETRY_AFTER_MS = 60_000;
/** A quota without Retry-After only gets worse by asking (RELIABILITY §2 row 8). */
const RATE_LIMIT_RETRIES = 1;

/** Runs `attempt` until it succeeds, fails for good, or the retries are used up; then throws its last error. */
export async function withRetry<T>(context: RetryContext, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      await waitBeforeRetry(error, failures, context);
    }
  }
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
  if (failures > (isQuota ? Math.min(RATE_LIMIT_RETRIES, policy.retries) : policy.retries)) throw error;
  if (retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
  const waitMs = retryAfterMs ?? Math.round(Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (failures - 1)));
  policy.onRetry?.({ what, attempt: failures, waitMs, reason: error.code });
  await (policy.sleep ?? sleep)(waitMs, signal);
}

async function sleep(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleepFor(waitMs, undefined, { signal });
  } catch {
    // Only the abort ends a sleep early; its own reason says more than the timer's error.
    signal.throwIfAborted();
  }
}

/**
 * Reads Retry-After (RFC 9110 §10.2.3): seconds or a date.
 * @returns milliseconds ≥ 0; undefined for what is neither
 */
export function parseRetryAfter(value: string | undefined, nowMs: number = Date.now()): number | undefined {
  const text = value?.trim() ?? '';
  if (text.length === 0 || text.length > 64) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  // Date.parse takes almost anything; an HTTP-date starts with the name of a day.
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
