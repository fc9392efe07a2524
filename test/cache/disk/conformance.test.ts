import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskCache } from '../../../src/lib/cache/disk/disk-cache.ts';
import { MemoryBudget } from '../../../src/lib/pipeline/memory-budget.ts';
import { contentCacheSuite } from '../../conformance/content-cache.ts';
import { handlesLeftIn } from '../open-handles.ts';

contentCacheSuite('the disk cache', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-disk-'));
  const budget = new MemoryBudget();
  return {
    cache: openDiskCache(directory, { budget }),
    reopen: async () => openDiskCache(directory, { budget }),
    leftovers: () => readdir(join(directory, '.clipctl/v1/ingest')).catch(() => []),
    heldHandles: () => handlesLeftIn(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
