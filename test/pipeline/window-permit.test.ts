import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createPermitCell, openPermit, releasePermit } from '../../src/lib/pipeline/window-permit.ts';

it('is had by one thread at a time, and taking it twice is taking it once', () => {
  const cell = createPermitCell();
  const first = openPermit(cell, 7);
  first.take();
  first.take();
  expect(cell[0]).toBe(7);
  openPermit(cell, 8).giveBack();
  expect(cell[0]).toBe(7);
  first.giveBack();
  expect(cell[0]).toBe(0);
});

it('lets the next thread in when it is given back, and when its holder was ended', async () => {
  const cell = createPermitCell();
  const waiter = `
    const { parentPort, workerData: cell } = require('node:worker_threads');
    for (let held; (held = Atomics.compareExchange(cell, 0, 0, 9)) !== 0;) Atomics.wait(cell, 0, held);
    parentPort.postMessage('in');`;
  for (const free of [() => openPermit(cell, 7).giveBack(), () => releasePermit(cell, 7)]) {
    cell[0] = 0;
    openPermit(cell, 7).take();
    const worker = new Worker(waiter, { eval: true, workerData: cell });
    const entered = new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => worker.once('online', resolve));
    free();
    expect(await entered).toBe('in');
    expect(cell[0]).toBe(9);
    await worker.terminate();
  }
});
