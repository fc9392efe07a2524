import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withAccessMode } from '../../src/lib/cache/access-mode.ts';
import { accountedCache, countRequests, newCounters } from '../../src/lib/cache/accounting.ts';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { patient } from '../../src/lib/cache/patient-cache.ts';
import { openFileRemote } from '../../src/lib/cache/remote/file.ts';
import { remoteCacheOf } from '../../src/lib/cache/remote-cache.ts';
import { retryingCache } from '../../src/lib/cache/retrying.ts';
import { sealErrors } from '../../src/lib/cache/sealed-errors.ts';
import { WaitingAllowance } from '../../src/lib/cache/waiting-allowance.ts';
import { newBreakers, withBreaker } from '../../src/lib/cache/with-breaker.ts';
import { contentCacheSuite } from '../conformance/content-cache.ts';
import { handlesLeftIn } from './open-handles.ts';

interface Decorator {
  readonly decorate: (inner: ContentCache) => ContentCache;
  /** What it hides of what the driver can do. */
  readonly hides?: { readonly list?: false; readonly delete?: false };
}

const policy = { retries: 2, sleep: () => Promise.resolve() };

const DECORATORS: Record<string, Decorator> = {
  'a retrying cache': { decorate: (inner) => retryingCache(inner, policy) },
  'a cache behind a breaker': { decorate: (inner) => withBreaker(inner, newBreakers(inner.url)) },
  'a cache that is accounted for': {
    decorate: (inner) => accountedCache(countRequests(inner, newCounters()), newCounters()),
  },
  'a cache with sealed errors': { decorate: sealErrors },
  'a cache that is waited for so long': {
    decorate: (inner) => patient(inner, new WaitingAllowance(60_000)),
    hides: { list: false },
  },
  'a read-only cache that somebody else fills': {
    decorate: (inner) => ({ ...withAccessMode(inner, 'ro'), storeContent: inner.storeContent.bind(inner) }),
    hides: { delete: false },
  },
  'a write-only cache that somebody else reads': {
    decorate: (inner) => ({
      ...withAccessMode(inner, 'wo'),
      contentExists: inner.contentExists.bind(inner),
      getContent: inner.getContent.bind(inner),
    }),
    hides: { list: false },
  },
  'all that a run puts around a driver': { decorate: (inner) => remoteCacheOf(inner, { policy }) },
};

for (const [name, { decorate, hides = {} }] of Object.entries(DECORATORS)) {
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
    { isBrief: true, capabilities: { ranges: true, list: true, delete: true, conditionalPut: true, ...hides } },
  );
}
