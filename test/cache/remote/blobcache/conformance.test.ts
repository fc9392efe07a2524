import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe } from 'vitest';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { startBlobcacheServer, type BlobcacheServer, type BlobcacheServerOptions } from '../../../servers/blobcache-server.ts';
import { leasesLeftIn } from '../budget-left.ts';
import { contextForTest } from '../context-for-test.ts';

const TOKEN = 'canary-of-blobcache';

interface Setup extends BlobcacheServerOptions {
  readonly isBrief?: boolean;
  readonly userInfo?: string;
  readonly environment?: RemoteContext['environment'];
}

const SETUPS: readonly (readonly [string, Setup])[] = [
  ['a blobcache remote with a token in the environment', { token: TOKEN, environment: { CLIPCTL_BLOBCACHE_TOKEN: TOKEN } }],
  [
    'a blobcache remote with a token in the URL, whose pages end with a miss',
    { token: TOKEN, userInfo: `:${TOKEN}@`, pageBytes: 4 << 20, missesPageEnds: true, isBrief: true },
  ],
];

describe.each(SETUPS)('%s', (name, { userInfo = '', environment = {}, isBrief = false, ...options }) => {
  let server: BlobcacheServer;

  beforeAll(async () => {
    server = await startBlobcacheServer(options);
  });
  afterAll(() => server.close());

  contentCacheSuite(
    name,
    async () => {
      server.contents.clear();
      const budget = new MemoryBudget();
      const context = contextForTest({ budget, environment });
      const reopened: { close(): Promise<void> }[] = [];
      const open = (): ReturnType<typeof openRemote> => openRemote(`blobcache://${userInfo}127.0.0.1:${server.port}`, context);
      return {
        cache: await open(),
        reopen: async () => {
          const cache = await open();
          reopened.push(cache);
          return cache;
        },
        restartServer: () => server.restart(),
        leftovers: async () => {
          for (let tries = 0; tries < 100 && server.openUploads() + server.openReads() > 0; tries += 1) await sleep(20);
          return server.openUploads() + server.openReads() === 0 ? [] : ['a call that nobody waits for'];
        },
        heldHandles: () => leasesLeftIn(budget),
        close: async () => {
          await Promise.all(reopened.map((cache) => cache.close()));
        },
      };
    },
    { secrets: [TOKEN], isBrief, capabilities: { ranges: true, list: false, delete: false, conditionalPut: false } },
  );
});
