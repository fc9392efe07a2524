/** What counts as waiting for a connection: time in which the process would have seen what came. */
import { expect, it } from 'vitest';
import { SpeedWatch, TICK_MS } from '../../src/lib/http/speed-watch.ts';

const MIB = 1024 * 1024;

/** One piece that comes after `waitedMs`, in which the process shows that it runs, as often as it should or not at all. */
function wait(watch: SpeedWatch, bytes: number, { waitedMs = 0, isStopped = false, heldMs = 0 }): void {
  watch.waits(0);
  if (!isStopped) for (let nowMs = TICK_MS; nowMs < waitedMs; nowMs += TICK_MS) watch.tick(nowMs);
  watch.got(bytes, waitedMs, heldMs);
}

function isSlow(...how: Parameters<typeof wait>[2][]): boolean {
  const watch = new SpeedWatch();
  for (const each of how) wait(watch, (4 * MIB) / how.length, each);
  return watch.isSlow;
}

it('a connection that gives 4 MiB in 200 ms is slow, one that gives them in 50 ms is not', () => {
  expect([isSlow({ waitedMs: 200 }), isSlow({ waitedMs: 50 })]).toEqual([true, false]);
  const small = Array.from({ length: 64 }, () => ({ waitedMs: 3 }));
  expect(isSlow(...small)).toBe(true);
});

it('a process that was stopped while it waited makes no slow connection, however long', () => {
  expect(isSlow({ waitedMs: 200, isStopped: true })).toBe(false);
  expect(isSlow({ waitedMs: 60_000, isStopped: true }, { waitedMs: 20 })).toBe(false);
});

it('a process that is busy between two pieces does not wait', () => {
  const watch = new SpeedWatch();
  wait(watch, 2 * MIB, { waitedMs: 1 });
  watch.tick(60_000);
  wait(watch, 2 * MIB, { waitedMs: 1 });
  expect(watch.isSlow).toBe(false);
});

it('what --max-rate held up is no waiting', () => {
  expect(isSlow({ waitedMs: 500, heldMs: 490 })).toBe(false);
});

it('a connection that gives next to nothing is judged after 250 ms of waiting', () => {
  const watch = new SpeedWatch();
  wait(watch, 1000, { waitedMs: 240 });
  expect(watch.isSlow).toBe(false);
  wait(watch, 1000, { waitedMs: 20 });
  expect(watch.isSlow).toBe(true);
});
