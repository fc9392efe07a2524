import { describe, expect, it } from 'vitest';
import { collectYoung } from '../../src/lib/pipeline/collect-young.ts';

describe('collecting the young generation', () => {
  it('frees buffers that nobody holds, and leaves no function behind', async () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let at = 0; at < 100; at++) Buffer.alloc(64 * 1024, at);
    const grown = process.memoryUsage().arrayBuffers - before;
    // What is dead is given back by a thread of V8's, a moment later.
    const grownAfterCollecting = async (): Promise<number> => {
      collectYoung();
      await new Promise((resolve) => setTimeout(resolve, 5));
      return process.memoryUsage().arrayBuffers - before;
    };
    await expect.poll(grownAfterCollecting, { timeout: 3_000 }).toBeLessThan(grown / 2);
    expect(globalThis).not.toHaveProperty('gc');
  });
});
