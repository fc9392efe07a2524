import { describe, expect, it } from 'vitest';
import { runLargestFirst } from '../../src/lib/pipeline/run-largest-first.ts';

describe('largest first', () => {
  it('large items start first, the results keep the order of the items', async () => {
    const started: number[] = [];
    const work = (size: number, isLast: boolean) => {
      started.push(size);
      return size === 7 ? Promise.reject(new Error('seven')) : Promise.resolve(isLast);
    };
    const settled = await runLargestFirst([2, 9, 7, 1, 9], { limit: 1, sizeOf: (size) => size, work });
    expect(started).toEqual([9, 9, 7, 2, 1]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it('nothing is nothing', async () => {
    await expect(runLargestFirst([], { limit: 2, sizeOf: () => 0, work: () => Promise.resolve(1) })).resolves.toEqual([]);
  });
});
