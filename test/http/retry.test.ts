import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClipctlError } from '../../src/lib/errors.ts';
import { parseContentRange } from '../../src/lib/http/content-range.ts';
import { parseRetryAfter, retryAfterMsOf } from '../../src/lib/http/retry-after.ts';
import { withRetry } from '../../src/lib/http/retry.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const signal = new AbortController().signal;

describe('parseRetryAfter', () => {
  test.each([
    ['0', 0],
    ['120', 120_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['-1', undefined],
    ['soon', undefined],
    ['1.5', undefined],
    ['', undefined],
    ['9'.repeat(50), Number.MAX_SAFE_INTEGER],
    ['9'.repeat(65), undefined],
    [undefined, undefined],
  ])('%j is %j', (text, expected) => {
    expect(parseRetryAfter(text, NOW)).toBe(expected);
  });
});

test('row 7: a date counts from the time the server says it has: a clock of ours that is a day off changes nothing', () => {
  const yesterday = { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT', date: 'Thu, 01 Jan 2026 00:00:10 GMT' };
  expect(retryAfterMsOf(yesterday)).toBe(20_000);
  expect(retryAfterMsOf({ 'retry-after': ['7', '9'], date: 'no date' })).toBe(7_000);
  expect(retryAfterMsOf({ date: 'Thu, 01 Jan 2026 00:00:10 GMT' })).toBeUndefined();
});

describe('withRetry', () => {
  test('waits longer each time, never more than 8 s, and gives the last error', async () => {
    const waits: number[] = [];
    let calls = 0;
    const policy = { retries: 6, sleep: async (waitMs: number) => void waits.push(waitMs) };
    const failing = withRetry({ what: 'x', policy, signal }, async () => {
      throw new ClipctlError('NETWORK', `try ${++calls}`);
    });
    await expect(failing).rejects.toThrow('try 7');
    const limits = [500, 1000, 2000, 4000, 8000, 8000];
    expect(waits).toHaveLength(limits.length);
    expect(waits.every((waitMs, at) => waitMs >= 0 && waitMs <= (limits[at] ?? 0))).toBe(true);
  });

  test('does not try again what is no use', async () => {
    let calls = 0;
    const failing = withRetry({ what: 'x', policy: { retries: 5 }, signal }, async () => {
      calls++;
      throw new ClipctlError('FORBIDDEN', 'no');
    });
    await expect(failing).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(calls).toBe(1);
  });

  test('an abort ends the wait at once', async () => {
    const abort = new AbortController();
    const waiting = withRetry({ what: 'x', policy: { retries: 5 }, signal: abort.signal }, async () => {
      setTimeout(() => abort.abort(new Error('stop')), 5);
      throw new ClipctlError('NETWORK', 'no', { retryAfterMs: 50_000 });
    });
    await expect(waiting).rejects.toThrow('stop');
  });
});

describe('parseContentRange', () => {
  test('reads start, end and total', () => {
    expect(parseContentRange('bytes 5-9/20')).toEqual({ start: 5, end: 10, totalBytes: 20 });
    expect(parseContentRange('bytes 5-9/*')).toEqual({ start: 5, end: 10, totalBytes: undefined });
  });

  test.each(['bytes 9-5/20', 'bytes 5-20/20', 'bytes */20', 'items 1-2/3', 'bytes 0-9007199254740992/*', ''])(
    '%j is none',
    (text) => {
      expect(parseContentRange(text)).toBeUndefined();
    },
  );

  test('any text gives a sound range or none', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^bytes [0-9]{0,20}-[0-9]{0,20}\/[0-9*]{0,20}$/), (text) => {
        const range = parseContentRange(text);
        return range === undefined || (range.start < range.end && range.end <= (range.totalBytes ?? Infinity));
      }),
    );
  });
});
