import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { handlesLeftIn } from '../../open-handles.ts';
import { contextForTest } from '../context-for-test.ts';
import { packing } from './open-packed.ts';

const openPacked = async (url: string): Promise<ContentCache> => packing(await openRemote(url, contextForTest()));

contentCacheSuite('a file remote that stores the packed form', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-packed-'));
  const url = pathToFileURL(join(directory, 'shared cache')).href;
  return {
    cache: await openPacked(url),
    reopen: () => openPacked(url),
    leftovers: async () => {
      const names = await readdir(join(directory, 'shared cache')).catch(() => []);
      return names.filter((name) => !/^[0-9a-f]{64}\.zst$/.test(name));
    },
    heldHandles: () => handlesLeftIn(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
