import { afterAll, beforeAll, describe } from 'vitest';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { createDispatcher } from '../../../../src/lib/http/dispatcher.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { NGINX_PASSWORD, nginxMissing, startNginx, type Nginx } from '../../../servers/nginx.ts';
import { contextForTest } from '../context-for-test.ts';

const missing = nginxMissing();

describe.skipIf(missing !== undefined)(`nginx${missing === undefined ? '' : ` (${missing})`}`, () => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx();
  });
  afterAll(() => nginx.close());
  let turn = 0;

  contentCacheSuite(
    'nginx WebDAV',
    async () => {
      const dispatcher = createDispatcher({ timeoutMs: 10_000, insecureHosts: [] });
      const url = `${nginx.url}/turn-${++turn}`;
      return {
        cache: await openRemote(url, contextForTest({ dispatcher })),
        reopen: async () => {
          await nginx.restart();
          return openRemote(url, contextForTest({ dispatcher }));
        },
        restartServer: () => nginx.restart(),
        leftovers: () => nginx.leftovers(),
        heldHandles: () => Promise.resolve([]),
        close: () => dispatcher.close(),
      };
    },
    {
      secrets: [NGINX_PASSWORD, Buffer.from(`user:${NGINX_PASSWORD}`).toString('base64')],
      capabilities: { ranges: true, list: false, delete: true, conditionalPut: false },
    },
  );
});
