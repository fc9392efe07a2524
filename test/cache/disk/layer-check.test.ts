/** RELIABILITY §2 row 14: a layer is evicted and brought again while somebody verifies it. */
import { chmodSync, copyFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDiskCache } from '../../../src/lib/cache/disk/disk-cache.ts';
import { MemoryBudget } from '../../../src/lib/pipeline/memory-budget.ts';
import { makeCacheDirectory, signal, storeIn, type CacheDirectory } from '../cache-directory.ts';
import { seededContent } from '../seeded-content.ts';

let directory: CacheDirectory;
beforeEach(async () => {
  directory = await makeCacheDirectory();
});
afterEach(() => directory.remove());

/** Runs `action` when somebody first wants memory: then a verification is under way. */
function budgetThat(action: () => void): MemoryBudget {
  let isDone = false;
  return new Proxy(new MemoryBudget(), {
    get(target, name) {
      if (!isDone) {
        isDone = true;
        action();
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

const content = seededContent(14, 300_000);

function replace(): void {
  const path = join(directory.path, content.hash);
  const before = statSync(path).ino;
  copyFileSync(path, `${path}.new`);
  chmodSync(`${path}.new`, 0o444);
  renameSync(`${path}.new`, path);
  expect(statSync(path).ino).not.toBe(before);
}

test('§2 row 14: a right layer that is replaced by a right one while it is hashed is not called bad', async () => {
  const first = directory.open();
  await storeIn(first, content);
  await first.close();
  const cache = openDiskCache(directory.path, { budget: budgetThat(replace) });
  expect(await cache.verifyLayer(content.hash, { signal })).toBe('verified');
  expect(await cache.checkLayer(content.hash)).toBe('verified');
  await cache.close();
});
