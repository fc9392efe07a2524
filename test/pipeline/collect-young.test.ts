import { describe, expect, it } from 'vitest';
import { collectYoung } from '../../src/lib/pipeline/collect-young.ts';

describe('collecting the young generation', () => {
  it('frees buffers that nobody holds, and leaves no function behind', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 100; count++) new Uint8Array(64 * 1024).fill(count);
    const grown = process.memoryUsage().arrayBuffers - before;
    collectYoung();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(grown / 2);
    expect(globalThis).not.toHaveProperty('gc');
  });
});
