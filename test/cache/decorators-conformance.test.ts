import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CircuitBreaker } from '../../src/lib/cache/circuit-breaker.ts';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { openFileRemote } from '../../src/lib/cache/remote/file.ts';
import { retryingCache } from '../../src/lib/cache/retrying.ts';
import { withBreaker } from '../../src/lib/cache/with-breaker.ts';
import { contentCacheSuite } from '../conformance/content-cache.ts';
import { handlesLeftIn } from './open-handles.ts';

// All decorators together, as openRemote makes them, pass the whole suite in the test of each driver.
const DECORATORS: Record<string, (inner: ContentCache) => ContentCache> = {
  'a retrying cache': (inner) => retryingCache(inner, { retries: 2, sleep: () => Promise.resolve() }),
  'a cache behind a breaker': (inner) => withBreaker(inner, new CircuitBreaker(inner.url)),
};

for (const [name, decorate] of Object.entries(DECORATORS)) {
  contentCacheSuite(
    name,
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'clipctl-decorated-'));
      return {
        cache: decorate(openFileRemote(directory)),
        reopen: () => Promise.resolve(decorate(openFileRemote(directory))),
        leftovers: async () => (await readdir(directory)).filter((found) => !/^[0-9a-f]{64}(\.chunks\.json)?$/.test(found)),
        heldHandles: () => handlesLeftIn(directory),
        close: () => rm(directory, { recursive: true, force: true }),
      };
    },
    { isBrief: true, capabilities: { ranges: true, list: true, delete: true, conditionalPut: true } },
  );
}
