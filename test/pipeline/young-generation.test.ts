import { once } from 'node:events';
import { getHeapSpaceStatistics } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { freezeYoungGeneration, keepYoungGeneration } from '../../src/lib/pipeline/young-generation.ts';

const IS_KNOWN_V8 = /^1[1-3]\./.test(process.versions.v8);

describe.skipIf(!IS_KNOWN_V8)('the young generation', () => {
  it('stays as large as it was when it was frozen, also after a thread has made a heap of its own', async () => {
    freezeYoungGeneration();
    const before = youngBytes();
    surviveCollections();
    expect(youngBytes()).toBeLessThanOrEqual(2 * before);
    const thread = new Worker('', { eval: true });
    thread.once('online', keepYoungGeneration);
    await once(thread, 'exit');
    surviveCollections();
    expect(youngBytes()).toBeLessThanOrEqual(2 * before);
  });
});

/** Makes garbage of which as much outlives each collection as lets V8 double the space, up to 32 MiB. */
function surviveCollections(): void {
  let held: object[] = [];
  for (let at = 0; at < 5_000_000; at++) {
    held.push({ at });
    if (held.length > 20_000) held = [];
  }
}

/** Of both halves, as far as they are in memory. */
function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.physical_space_size ?? 0;
}
