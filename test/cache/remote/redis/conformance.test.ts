import { afterAll, beforeAll, describe } from 'vitest';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { redisServerMissing, startRedisServer } from '../../../servers/redis-server.ts';
import type { RedisServer, RedisServerOptions } from '../../../servers/redis-server.ts';
import { leasesLeftIn } from '../budget-left.ts';
import { contextForTest } from '../context-for-test.ts';

const OURS = /^clipctl:[0-9a-f]{64}(:[0-9]+)?$/;
const PASSWORD = 'canary-of-redis';

interface Setup extends RedisServerOptions {
  readonly urlOf: (port: number) => string;
  readonly environment?: RemoteContext['environment'];
}

const SETUPS: readonly (readonly [string, Setup])[] = [
  [
    'a Redis remote with a password in the environment and a database',
    {
      password: PASSWORD,
      urlOf: (port) => `redis://localhost:${port}/3`,
      environment: { CLIPCTL_REDIS_PASSWORD: PASSWORD },
    },
  ],
  [
    'a Redis remote over TLS with a user in the URL',
    {
      tls: true,
      password: `${PASSWORD}-of-the-default-user`,
      user: { name: 'carol', password: PASSWORD },
      urlOf: (port) => `rediss://carol:${PASSWORD}@localhost:${port}`,
    },
  ],
];

describe.skipIf(redisServerMissing() !== undefined).each(SETUPS)('%s', (name, { urlOf, environment = {}, ...options }) => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedisServer(options);
  });
  afterAll(() => server.close());

  contentCacheSuite(
    name,
    async () => {
      await server.client.flushall();
      const budget = new MemoryBudget();
      const context = contextForTest({ budget, environment, ...(server.caFile === '' ? {} : { caFile: server.caFile }) });
      const reopened: { close(): Promise<void> }[] = [];
      const open = (): ReturnType<typeof openRemote> => openRemote(urlOf(server.port), context);
      return {
        cache: await open(),
        reopen: async () => {
          const cache = await open();
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
    { secrets: [PASSWORD] },
  );
});
