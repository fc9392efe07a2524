/** The header that says when to come back (RFC 9110 §10.2.3). */

/** A server that asks for a longer wait than this is not waited for. */
export const MAX_RETRY_AFTER_MS = 60_000;

/** How long an answer asks to wait; a date counts from the one that the server says it has, since our clock may be wrong. */
export function retryAfterMsOf(headers: Readonly<Record<string, string | string[] | undefined>>): number | undefined {
  return parseRetryAfter(firstOf(headers['retry-after']), parseDate(firstOf(headers['date'])) ?? Date.now());
}

/**
 * Reads Retry-After: seconds or a date.
 * @returns milliseconds ≥ 0; undefined for what is neither
 */
export function parseRetryAfter(value: string | undefined, nowMs: number = Date.now()): number | undefined {
  const text = value?.trim() ?? '';
  if (/^[0-9]{1,64}$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const dateMs = parseDate(text);
  return dateMs === undefined ? undefined : Math.max(0, dateMs - nowMs);
}

function parseDate(text: string | undefined): number | undefined {
  // Date.parse takes almost anything; an HTTP-date starts with the name of a day.
  if (text === undefined || text.length > 64 || !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : dateMs;
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
