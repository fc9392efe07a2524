import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/lib/http/clock.ts';
import { HostGates } from '../../src/lib/http/host-gates.ts';
import { parseRetryAfter } from '../../src/lib/http/retry-after.ts';

const { signal } = new AbortController();
const limited = (retryAfter: string | undefined) => ({ status: 429, retryAfterMs: parseRetryAfter(retryAfter) });
const FINE = { status: 200, retryAfterMs: undefined };

/** Sleeps pass at once, the shortest first. */
class TestClock implements Clock {
  #nowMs = 0;
  readonly #sleeping: { readonly untilMs: number; readonly wake: () => void }[] = [];

  readonly nowMs = (): number => this.#nowMs;

  readonly sleep = (waitMs: number): Promise<void> =>
    new Promise((wake) => void this.#sleeping.push({ untilMs: this.#nowMs + waitMs, wake }));

  /** Lets everything run that can, and moves the time on to the next that sleeps; false when nobody does. */
  async step(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#sleeping.sort((a, b) => a.untilMs - b.untilMs);
    const next = this.#sleeping.shift();
    this.#nowMs = Math.max(this.#nowMs, next?.untilMs ?? 0);
    next?.wake();
    await new Promise((resolve) => setImmediate(resolve));
    return next !== undefined;
  }
}

describe('a host that has asked to be left alone', () => {
  test('row 7: is asked by none of 8 streams before the time, 34 s +-10 %, and by the others after the first was let in', async () => {
    const clock = new TestClock();
    const gates = new HostGates(clock);
    (await gates.enter('a', signal))(limited('34'));
    const entered: { readonly atMs: number; readonly leave: (outcome: typeof FINE | undefined) => void }[] = [];
    for (let at = 0; at < 8; at++) void gates.enter('a', signal).then((leave) => entered.push({ atMs: clock.nowMs(), leave }));
    while (await clock.step());
    expect(entered.map(({ atMs }) => atMs)).toEqual([34_000]);
    entered[0]?.leave(FINE);
    await clock.step();
    expect(entered).toHaveLength(8);
    expect(clock.nowMs()).toBeLessThanOrEqual(34_000 * 1.1);
  });

  test('row 7: and asks for more time again is asked once more, not once a stream', async () => {
    const clock = new TestClock();
    const gates = new HostGates(clock);
    (await gates.enter('a', signal))(limited('10'));
    let asked = 0;
    const streams = Array.from({ length: 8 }, async () => {
      const leave = await gates.enter('a', signal);
      leave(++asked === 1 ? { status: 503, retryAfterMs: 20_000 } : FINE);
      return clock.nowMs();
    });
    while (await clock.step());
    const times = await Promise.all(streams);
    expect(times.toSorted((a, b) => a - b)).toEqual([10_000, ...Array<number>(7).fill(30_000)]);
  });

  test('row 7: for an hour is RATE_LIMITED with the time, without a wait, for every stream', async () => {
    const gates = new HostGates(new TestClock());
    (await gates.enter('a', signal))(limited('3600'));
    for (let at = 0; at < 3; at++) {
      await expect(gates.enter('a', signal)).rejects.toMatchObject({
        code: 'RATE_LIMITED',
        retryable: false,
        message: expect.stringContaining('3600 s') as string,
      });
    }
  });

  test('row 7: by a date is left alone until then', async () => {
    const clock = new TestClock();
    const gates = new HostGates(clock);
    (await gates.enter('a', signal))(limited(new Date(Date.now() + 30_000).toUTCString()));
    const entered = gates.enter('a', signal);
    while (await clock.step());
    await entered;
    // A date has whole seconds.
    expect(clock.nowMs()).toBeGreaterThan(28_500);
    expect(clock.nowMs()).toBeLessThanOrEqual(30_000);
  });

  test('row 7: for 0 s, a negative time or no time at all is asked at once', async () => {
    const gates = new HostGates(new TestClock());
    for (const told of ['0', '-5', 'soon', '', undefined]) {
      const leave = await gates.enter('a', signal);
      leave(limited(told));
      (await gates.enter('a', signal))(FINE);
    }
  });

  test('is no reason to leave another alone', async () => {
    const gates = new HostGates(new TestClock());
    (await gates.enter('a', signal))(limited('30'));
    (await gates.enter('b:5000', signal))(FINE);
  });

  test('is asked by the next when the first brought no answer', async () => {
    const clock = new TestClock();
    const gates = new HostGates(clock);
    (await gates.enter('a', signal))(limited('5'));
    const first = gates.enter('a', signal);
    const second = gates.enter('a', signal);
    while (await clock.step());
    (await first)(undefined);
    (await second)(FINE);
  });

  test('does not hold who is told to stop', async () => {
    const gates = new HostGates();
    (await gates.enter('a', signal))(limited('50'));
    const abort = new AbortController();
    const waiting = gates.enter('a', abort.signal);
    abort.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
  });
});
