import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { redisServerMissing, startRedisServer, type RedisServer } from '../../../servers/redis-server.ts';
import { seededContent } from '../../seeded-content.ts';
import { leasesLeftIn } from '../budget-left.ts';
import { contextForTest } from '../context-for-test.ts';
import { openEncoder, packing } from '../encoded/open-packed.ts';
import { readsOnlyItsFrames } from '../encoded/range-bytes.ts';

const OURS = /^clipctl:[0-9a-f]{64}\.zst(:[0-9]+)?$/;
const { signal } = new AbortController();

describe.skipIf(redisServerMissing() !== undefined)('the packed form in Redis', () => {
  let server: RedisServer;
  const open = (port = server.port, budget = new MemoryBudget()): Promise<ContentCache> =>
    openRemote(`redis://127.0.0.1:${port}`, contextForTest({ budget }));

  beforeAll(async () => {
    server = await startRedisServer({});
  });
  afterAll(() => server.close());

  contentCacheSuite(
    'a Redis remote that stores the packed form',
    async () => {
      await server.client.flushall();
      const budget = new MemoryBudget();
      const reopened: ContentCache[] = [];
      return {
        cache: await packing(await open(server.port, budget)),
        reopen: async () => {
          const cache = await packing(await open(server.port, budget));
          reopened.push(cache);
          return cache;
        },
        restartServer: () => server.restart('saved'),
        leftovers: async () => (await server.keys()).filter((key) => !OURS.test(key)),
        heldHandles: () => leasesLeftIn(budget),
        close: async () => {
          await Promise.all(reopened.map((cache) => cache.close()));
        },
      };
    },
    { isBrief: true },
  );

  readsOnlyItsFrames({ serverPort: () => server.port, open });

  it('stands under <hex>.zst, expires no more, and is gone when it is deleted', async () => {
    await server.client.flushall();
    const { sizeBytes, hash, source } = seededContent(5, 3_000_000);
    const remote = await open();
    try {
      const options = { sizeBytes, signal, encoder: await openEncoder() };
      const { chunks } = await remote.storeContent(source(), hash, options);
      const keys = (await server.keys()).sort();
      expect(keys).toEqual([`clipctl:${hash}.zst`, ...Array.from({ length: chunks }, (_, at) => `clipctl:${hash}.zst:${at}`)]);
      expect(await Promise.all(keys.map((key) => server.client.pttl(key)))).toEqual(keys.map(() => -1));
      expect(await remote.deleteContent?.(hash, { signal })).toBe(true);
      expect(await server.keys()).toEqual([]);
    } finally {
      await remote.close();
    }
  });
});
