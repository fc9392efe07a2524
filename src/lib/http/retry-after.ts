/** The header that says when to come back (RFC 9110 §10.2.3). */

/** A server that asks for a longer wait than this is not waited for. */
export const MAX_RETRY_AFTER_MS = 60_000;

/**
 * Reads Retry-After: seconds or a date.
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
