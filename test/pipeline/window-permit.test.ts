import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createPermitCell, hasPermit, openPermit, releasePermit } from '../../src/lib/pipeline/window-permit.ts';

it('is had by one thread at a time, and taking it twice is taking it once', () => {
  const cell = createPermitCell();
  const first = openPermit(cell, 7);
  first.take();
  first.take();
  expect([hasPermit(cell, 7), hasPermit(cell, 8)]).toEqual([true, false]);
  releasePermit(cell, 8);
  expect(hasPermit(cell, 7)).toBe(true);
  releasePermit(cell, 7);
  expect(hasPermit(cell, 7)).toBe(false);
});

it('lets the next thread in when its holder has ended', async () => {
  const cell = createPermitCell();
  openPermit(cell, 7).take();
  const waiter = `
    const { parentPort, workerData: cell } = require('node:worker_threads');
    for (let held; (held = Atomics.compareExchange(cell, 0, 0, 9)) !== 0;) Atomics.wait(cell, 0, held);
    parentPort.postMessage('in');`;
  const worker = new Worker(waiter, { eval: true, workerData: cell });
  const entered = new Promise((resolve) => worker.once('message', resolve));
  await new Promise((resolve) => worker.once('online', resolve));
  releasePermit(cell, 7);
  expect(await entered).toBe('in');
  expect(hasPermit(cell, 9)).toBe(true);
  await worker.terminate();
});
