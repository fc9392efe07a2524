import { describe, expect, test } from 'vitest';
import { StallWatch } from '../../src/lib/http/watched-body.ts';

const WINDOW_MS = 30_000;
const TICK_MS = WINDOW_MS / 8;

/** When the watch calls it a stall, with a piece of so many bytes every so many ms; undefined = not within 10 minutes. */
function stallAt(bytesAt: (ms: number) => number, busyMs = 0): number | undefined {
  const watch = new StallWatch(WINDOW_MS);
  watch.waits(0);
  for (let ms = 0; ms < 600_000; ms += 50) {
    const bytes = bytesAt(ms);
    if (bytes > 0) {
      watch.got(bytes, ms);
      watch.waits(ms + busyMs);
    }
    if (ms % TICK_MS === 0 && watch.tick(ms)) return ms;
  }
  return undefined;
}

describe('row 6: a body is a stall', () => {
  test('after 30 s without a byte', () => {
    expect(stallAt(() => 0)).toBe(WINDOW_MS);
  });

  test('after 30 s with 1 byte each 10 s', () => {
    expect(stallAt((ms) => (ms % 10_000 === 0 ? 1 : 0))).toBe(WINDOW_MS);
  });

  test('when a good one begins to trickle, 30 s later', () => {
    const stalledAt = stallAt((ms) => (ms < 200_000 ? 50_000 : Number(ms % 10_000 === 0)));
    expect(stalledAt).toBeGreaterThanOrEqual(200_000 + WINDOW_MS);
    expect(stalledAt).toBeLessThanOrEqual(200_000 + WINDOW_MS + 2 * TICK_MS);
  });

  test('below 1 KiB/s, and not above', () => {
    expect(stallAt((ms) => (ms % 1000 === 0 ? 1000 : 0))).toBeDefined();
    expect(stallAt((ms) => (ms % 1000 === 0 ? 1100 : 0))).toBeUndefined();
  });

  test('not when it is its reader who is slow', () => {
    const watch = new StallWatch(WINDOW_MS);
    for (let ms = 0; ms < 300_000; ms += TICK_MS) {
      watch.waits(ms);
      watch.got(1, ms + 1);
      expect(watch.tick(ms + TICK_MS)).toBe(false);
    }
  });
});
