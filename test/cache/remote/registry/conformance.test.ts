import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../../../servers/docker-registry.ts';
import type { CacheUnderTest } from '../../../conformance/given-cache.ts';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { leasesLeftIn } from '../budget-left.ts';
import { contextForTest } from '../context-for-test.ts';
import { packing } from '../encoded/open-packed.ts';
import { readsOnlyItsFrames } from '../encoded/range-bytes.ts';

const LOGIN = { username: 'carol', password: 'canary-of-the-registry' };

describe.skipIf(dockerRegistryMissing() !== undefined)('over docker-registry with a login', () => {
  let server: DockerRegistry;
  let repositories = 0;

  beforeAll(async () => {
    server = await startDockerRegistry({ login: LOGIN });
  });
  afterAll(() => server.close());

  readsOnlyItsFrames({
    serverPort: () => Number(server.host.split(':')[1]),
    open: (port) =>
      openRemote(`oci://127.0.0.1:${port}/cache/ranges`, contextForTest({ credentials: () => Promise.resolve(LOGIN) })),
  });

  contentCacheSuite('a registry remote that stores the packed form', () => given(packing), {
    secrets: [LOGIN.password],
    isBrief: true,
  });

  contentCacheSuite('a registry remote', () => given(), { secrets: [LOGIN.password] });

  async function given(as = (cache: ContentCache) => Promise.resolve(cache)): Promise<CacheUnderTest> {
    const repository = `cache/of-test-${(repositories += 1)}`;
    const budget = new MemoryBudget();
    const directory = await mkdtemp(join(tmpdir(), 'clipctl-registry-notes-'));
    const uploadsDirectory = join(directory, 'uploads');
    const context = contextForTest({ budget, uploadsDirectory, credentials: () => Promise.resolve(LOGIN) });
    const open = async (): Promise<ContentCache> => as(await openRemote(`oci://${server.host}/${repository}`, context));
    return {
      cache: await open(),
      reopen: open,
      restartServer: () => server.restart(),
      // What a chunk that broke off leaves, docker-registry 2.8 takes away itself; registry.test.ts has the uploads that can be ended.
      leftovers: () => readdir(uploadsDirectory).catch(() => []),
      heldHandles: () => leasesLeftIn(budget),
      close: async () => {
        await context.dispatcher.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  }
});
