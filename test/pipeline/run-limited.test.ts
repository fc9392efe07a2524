import { expect, it } from 'vitest';
import { runLimited } from '../../src/lib/pipeline/run-limited.ts';

it('never runs more than the limit at once, and keeps the order of the items', async () => {
  let running = 0;
  let most = 0;
  const settled = await runLimited([30, 1, 20, 1, 10], 2, async (waitMs) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    running--;
    return waitMs;
  });
  expect(most).toBe(2);
  expect(settled.map((result) => (result.status === 'fulfilled' ? result.value : undefined))).toEqual([30, 1, 20, 1, 10]);
});

it('goes on after a failure and tells which item failed', async () => {
  const settled = await runLimited([1, 2, 3], 1, (item) =>
    item === 2 ? Promise.reject(new Error('two')) : Promise.resolve(item),
  );
  expect(settled.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
