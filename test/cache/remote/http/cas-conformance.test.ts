import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { createDispatcher } from '../../../../src/lib/http/dispatcher.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { startCasServer } from '../../../servers/cas-server.ts';
import { contextForTest } from '../context-for-test.ts';

const TOKEN = 'canary-token-of-the-cas';

contentCacheSuite(
  'a store that checks keys and knows no ranges',
  async () => {
    const server = await startCasServer();
    server.script = (request, response) => {
      if (request.headers.authorization === `Bearer ${TOKEN}`) return false;
      response.writeHead(401).end();
      return true;
    };
    const dispatcher = createDispatcher({ timeoutMs: 10_000, insecureHosts: [] });
    const open = () => openRemote(server.url, contextForTest({ dispatcher, environment: { CLIPCTL_HTTP_TOKEN: TOKEN } }));
    return {
      cache: await open(),
      reopen: () => {
        server.cut();
        return open();
      },
      restartServer: async () => server.cut(),
      leftovers: () => Promise.resolve([]),
      heldHandles: () => Promise.resolve([]),
      close: async () => {
        await dispatcher.close();
        await server.close();
      },
    };
  },
  { isBrief: true, secrets: [TOKEN], refuses: { ranges: true, delete: true } },
);
