import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import type { BudgetLease } from '../../src/lib/pipeline/memory-budget.ts';

/** True when `promise` is settled once everything that can run now has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => void (settled = true);
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('leases', () => {
  it('counts what is out, and the most that ever was', async () => {
    const budget = new MemoryBudget(100);
    const first = await budget.acquire(60);
    const second = await budget.acquire(40);
    expect([budget.usedBytes, budget.peakBytes]).toEqual([100, 100]);
    first.release();
    second.release();
    expect([budget.usedBytes, budget.peakBytes]).toEqual([0, 100]);
  });

  it('gives bytes back once, however often release is called', async () => {
    const budget = new MemoryBudget(100);
    const lease = await budget.acquire(60);
    const other = await budget.acquire(20);
    lease.release();
    lease.release();
    expect(budget.usedBytes).toBe(20);
    other.release();
  });

  it('makes who asks for too much wait until it fits', async () => {
    const budget = new MemoryBudget(100);
    const first = await budget.acquire(60);
    const waiting = budget.acquire(50);
    expect(await isSettled(waiting)).toBe(false);
    first.release();
    (await waiting).release();
    expect(budget.usedBytes).toBe(0);
  });

  it('serves first come first: a small request does not overtake a large one', async () => {
    const budget = new MemoryBudget(100);
    const first = await budget.acquire(60);
    const large = budget.acquire(100);
    const small = budget.acquire(1);
    expect(budget.tryAcquire(1)).toBeUndefined();
    expect(await isSettled(small)).toBe(false);
    first.release();
    (await large).release();
    (await small).release();
    expect(budget.usedBytes).toBe(0);
  });

  it('refuses at once what can never fit, and what is no number of bytes', async () => {
    const budget = new MemoryBudget(100);
    expect(errorCodeOf(await budget.acquire(101).catch((error: unknown) => error))).toBe('USAGE');
    for (const bytes of [-1, Number.NaN, 1.5]) {
      expect(errorCodeOf(await budget.acquire(bytes).catch((error: unknown) => error))).toBe('INTERNAL');
    }
    expect(budget.usedBytes).toBe(0);
  });

  it('only tries: tryAcquire never waits', async () => {
    const budget = new MemoryBudget(100);
    const lease = budget.tryAcquire(100);
    expect(budget.tryAcquire(1)).toBeUndefined();
    lease?.release();
    expect(budget.tryAcquire(1)?.bytes).toBe(1);
  });
});

describe('aborts', () => {
  it('rejects with the reason, and takes nothing', async () => {
    const budget = new MemoryBudget(100);
    const lease = await budget.acquire(100);
    const controller = new AbortController();
    const waiting = budget.acquire(10, controller.signal);
    controller.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    await expect(budget.acquire(1, controller.signal)).rejects.toThrow('stopped');
    lease.release();
    expect(budget.usedBytes).toBe(0);
  });

  it('lets those behind through when the one before them gives up', async () => {
    const budget = new MemoryBudget(100);
    const lease = await budget.acquire(60);
    const controller = new AbortController();
    const large = budget.acquire(100, controller.signal);
    const small = budget.acquire(40);
    expect(await isSettled(small)).toBe(false);
    controller.abort(new Error('stopped'));
    await expect(large).rejects.toThrow('stopped');
    (await small).release();
    lease.release();
    expect(budget.usedBytes).toBe(0);
  });

  it('leaves a lease alone that was granted before the abort', async () => {
    const budget = new MemoryBudget(100);
    const lease = await budget.acquire(100);
    const controller = new AbortController();
    const waiting = budget.acquire(10, controller.signal);
    lease.release();
    controller.abort(new Error('stopped'));
    expect(budget.usedBytes).toBe(10);
    (await waiting).release();
    expect(budget.usedBytes).toBe(0);
  });
});

describe('buffers', () => {
  it('have the size asked for, and are handed out again', async () => {
    const budget = new MemoryBudget(1000);
    const first = await budget.acquireBuffer(300);
    const memory = first.buffer;
    expect(memory.length).toBe(300);
    first.release();
    const second = budget.tryAcquireBuffer(300);
    expect(second?.buffer).toBe(memory);
    second?.release();
  });

  it('are never in two hands at once, also after a second release', async () => {
    const budget = new MemoryBudget(1000);
    const first = await budget.acquireBuffer(300);
    first.release();
    first.release();
    const [second, third] = [await budget.acquireBuffer(300), await budget.acquireBuffer(300)];
    expect(second.buffer).not.toBe(third.buffer);
  });

  it('of a worker take the whole working set from the budget', async () => {
    const budget = new MemoryBudget(1000);
    const lease = await budget.acquireShared(300, 700);
    expect([lease.shared.byteLength, lease.bytes, budget.usedBytes]).toEqual([300, 700, 700]);
    lease.release();
    const again = await budget.acquireShared(300, 700);
    expect(again.shared).toBe(lease.shared);
    again.release();
    expect(budget.usedBytes).toBe(0);
  });

  it('that were freed leave room: used and idle bytes together stay within the limit', async () => {
    const budget = new MemoryBudget(1000);
    for (const bytes of [100, 200, 250, 500]) {
      const leases = await Promise.all(Array.from({ length: 1000 / bytes }, () => budget.acquireBuffer(bytes)));
      expect(budget.usedBytes + budget.idleBytes).toBeLessThanOrEqual(1000);
      for (const lease of leases) lease.release();
      expect(budget.idleBytes).toBeLessThanOrEqual(1000);
    }
    const plain = await budget.acquire(900);
    expect(budget.idleBytes).toBeLessThanOrEqual(100);
    plain.release();
  });
});

describe('any order of requests, releases and aborts', () => {
  const step = fc.record({
    bytes: fc.integer({ min: 0, max: 40 }),
    what: fc.constantFrom('buffer', 'plain', 'try', 'abort', 'release'),
  });

  it('stays within the limit, serves everybody who stays, and ends at zero', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const budget = new MemoryBudget(100);
        const held: BudgetLease[] = [];
        const pending: Promise<void>[] = [];
        const keep = (lease: BudgetLease | undefined): void => {
          if (lease !== undefined) held.push(lease);
        };
        for (const { bytes, what } of steps) {
          const controller = new AbortController();
          if (what === 'buffer') pending.push(budget.acquireBuffer(bytes).then(keep));
          if (what === 'plain') pending.push(budget.acquire(bytes).then(keep));
          if (what === 'try') keep(budget.tryAcquireBuffer(bytes));
          if (what === 'abort') pending.push(budget.acquire(bytes, controller.signal).then(keep, () => undefined));
          if (what === 'release') held.shift()?.release();
          controller.abort(new Error('stopped'));
          await Promise.resolve();
          expect(budget.usedBytes).toBeLessThanOrEqual(100);
        }
        const served = { all: false };
        void Promise.all(pending).then(() => (served.all = true));
        for (let turns = 0; (!served.all || held.length > 0) && turns < 1000; turns += 1) {
          held.shift()?.release();
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect([served.all, budget.usedBytes]).toEqual([true, 0]);
        expect(budget.idleBytes).toBeLessThanOrEqual(100);
        expect(budget.peakBytes).toBeLessThanOrEqual(100);
      }),
      { numRuns: 300 },
    );
  });
});
