import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { contextForTest } from './context-for-test.ts';
import { openRemote } from '../../../src/lib/cache/remote/open-remote.ts';
import { contentCacheSuite } from '../../conformance/content-cache.ts';
import { handlesLeftIn } from '../open-handles.ts';

contentCacheSuite('a file remote', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-remote-'));
  const url = pathToFileURL(join(directory, 'shared cache')).href;
  return {
    cache: await openRemote(url, contextForTest()),
    reopen: () => openRemote(url, contextForTest()),
    leftovers: async () => {
      const names = await readdir(join(directory, 'shared cache')).catch(() => []);
      return names.filter((name) => !/^[0-9a-f]{64}(\.chunks\.json)?$/.test(name));
    },
    heldHandles: () => handlesLeftIn(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
