import { getHeapSpaceStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { collectGrown, collectYoung } from '../../src/lib/pipeline/collect-garbage.ts';

const MIB = 1 << 20;

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

describe('collecting what has grown old', () => {
  it('frees objects that outlived young collections, once they are more than 4 MiB', () => {
    collectGrown();
    const before = oldBytes();
    growOld(2);
    collectGrown();
    expect(oldBytes() - before).toBeGreaterThan(MIB);
    growOld(8);
    expect(oldBytes() - before).toBeGreaterThan(8 * MIB);
    collectGrown();
    expect(oldBytes() - before).toBeLessThan(2 * MIB);
  });
});

/** Garbage of so many MiB that V8 takes for old. */
function growOld(mebibytes: number): void {
  const held = Array.from({ length: mebibytes * 8192 }, (_, at) => new Array<number>(14).fill(at));
  for (let round = 0; round < 3; round++) collectYoung();
  held.length = 0;
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0;
}
