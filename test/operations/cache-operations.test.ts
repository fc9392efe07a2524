import { mkdtemp, rm, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openCache, type Cache } from '../../src/index.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';

let home: string;
let image: MadeLayout;
let cache: Cache;
const reopen = async (): Promise<void> => {
  await cache.close();
  cache = openCache({ cacheDir: join(home, 'cache'), minFreeBytes: 0 });
};

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-operations-'));
  image = await makeLayout(join(home, 'image'), [{ files: { a: 'one' } }, { files: { b: 'two' } }]);
  cache = openCache({ cacheDir: join(home, 'cache'), minFreeBytes: 0 });
  await cache.warm({ images: [image.reference] });
  await reopen();
});
afterEach(async () => {
  await cache.close();
  await rm(home, { recursive: true, force: true });
});

it('openCache() tells what the disk cache holds, and mends what is wrong', async () => {
  expect((await cache.du()).layers.count).toBe(2);
  expect((await cache.ls()).layers.map(({ state }) => state)).toEqual(['verified', 'verified']);
  const [first] = (await cache.path(image.reference)).layers;
  await truncate(first?.path ?? '', 0);
  expect((await cache.verify()).corrupt).toMatchObject([{ diffId: first?.diffId, reason: 'size' }]);
  expect((await cache.repair()).repaired).toMatchObject([{ diffId: first?.diffId, by: 'fetched' }]);
  expect((await cache.verify({ full: true })).corrupt).toEqual([]);
});

it('prune({ dryRun }) is the plan that prune() carries out, and pins stay', async () => {
  const then = Date.now() / 1000 - 3600;
  for (const { diffId } of image.layers)
    await utimes(join(home, 'cache/.clipctl/v1/layers', `${diffId.slice(7)}.json`), then, then);
  const [pinned, other] = image.layers;
  expect((await cache.pin(pinned?.diffId ?? '')).pins).toHaveLength(1);
  await reopen();
  const plan = await cache.prune({ maxCacheBytes: 0, dryRun: true });
  expect(plan.evicted.map(({ diffId }) => diffId)).toEqual([other?.diffId]);
  expect((await cache.ls()).layers).toHaveLength(2);
  expect(await cache.prune({ maxCacheBytes: 0 })).toMatchObject({ dryRun: false, evicted: plan.evicted });
  expect((await cache.ls()).layers.map(({ diffId }) => diffId)).toEqual([pinned?.diffId]);
  expect((await cache.unpin(pinned?.diffId ?? '')).pins).toEqual([]);
});
