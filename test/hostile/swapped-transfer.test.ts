/** RELIABILITY §1.3 row 20: another member of the group puts a link in the place of a transfer's directory while a layer comes. */
import { constants } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import { openAheadFile } from '../../src/lib/cache/disk/ingest/ahead-file.ts';
import type { IngestFile, IngestJournal } from '../../src/lib/cache/disk/ingest-file.ts';
import { createOwn, openOwn } from '../../src/lib/cache/own-file.ts';
import { digestOfHash } from '../../src/lib/oci/digest.ts';
import { Spool } from '../../src/lib/pipeline/spool.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { codeOf, signal } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';

const MIB = 1024 * 1024;
const layer = seededContent(1, MIB);

let dir: string;
let outside: string;
let ingest: IngestFile;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-swapped-'));
  outside = join(dir, 'outside');
  const cacheDir = join(dir, 'cache');
  await mkdir(cacheDir);
  await chmod(cacheDir, 0o2775);
  const limits = { maxCacheBytes: 64 * MIB, minFreeBytes: 0 };
  const cache = openDiskCache(cacheDir, { budget: new MemoryBudget(), shared: true, ...limits });
  const diffId = digestOfHash(layer.hash);
  const transfer = { digest: diffId, sizeBytes: MIB, diffId, checkpointIntervalBytes: 0 };
  ingest = await cache.beginIngest({ hash: layer.hash, transfer });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function journal(): IngestJournal {
  if (ingest.journal === undefined) throw new Error('it has no journal');
  return ingest.journal;
}

/** Everything that stands outside was made by the one whose transfer it is, so its owner tells nothing. */
async function swapForLink(): Promise<void> {
  const directory = dirname(ingest.path);
  await cp(directory, outside, { recursive: true });
  await rename(directory, join(dir, 'away'));
  await symlink(outside, directory);
}

async function stateOutside(): Promise<readonly (readonly [string, number, string])[]> {
  const names = (await readdir(outside)).sort();
  return Promise.all(
    names.map(async (name) => {
      const path = join(outside, name);
      return [name, (await stat(path)).mode, await readFile(path, 'utf8')] as const;
    }),
  );
}

describe('§1.3 row 20: behind a link in the place of a transfer’s directory', () => {
  it.each([
    ['the compressed bytes of a layer', () => Promise.resolve().then(() => new Spool(journal(), true).close()), 'STORAGE_ERROR'],
    ['bytes that come before their turn', aheadOf, undefined],
    ['what was promised to a layer', () => ingest.growth.more(2 * MIB, signal), undefined],
    ['a new file', () => createOwn(join(dirname(ingest.path), 'new')), 'STORAGE_ERROR'],
  ] as const)('%s: nothing is made', async (_what, make, code) => {
    await swapForLink();
    const before = await stateOutside();
    expect(await codeOf(make())).toBe(code);
    expect(await stateOutside()).toEqual(before);
  });

  it('no file is opened, emptied or removed', async () => {
    await swapForLink();
    for (const name of ['granted', 'spool', 'ahead']) await writeFile(join(outside, name), `my own ${name}`);
    const before = await stateOutside();
    for (const name of ['granted', 'spool', 'ahead', 'layer'])
      expect(await codeOf(openOwn({ path: join(dirname(ingest.path), name), owner: journal().owner }, constants.O_RDWR))).toBe(
        'STORAGE_ERROR',
      );
    await ingest.growth.more(2 * MIB, signal);
    await ingest.discard();
    expect(await stateOutside()).toEqual(before);
  });

  it('nothing is made in a directory of somebody else', async () => {
    const path = join(dir, 'theirs');
    await mkdir(path);
    const { uid } = await stat(path);
    expect(await codeOf(openOwn({ path: join(path, 'spool'), owner: uid + 1 }, constants.O_RDWR | constants.O_CREAT))).toBe(
      'STORAGE_ERROR',
    );
    expect(await readdir(path)).toEqual([]);
  });
});

async function aheadOf(): Promise<void> {
  const { aheadPath, owner } = journal();
  const ahead = openAheadFile({ path: aheadPath, owner });
  try {
    expect(await ahead.take(0)).toBeUndefined();
  } finally {
    await ahead.close();
  }
}

describe('what a member of the group has been promised', () => {
  it('is for the others to read', async () => {
    await ingest.growth.more(2 * MIB, signal);
    expect((await stat(join(dirname(ingest.path), 'granted'))).mode & 0o777).toBe(0o644);
    await ingest.discard();
  });
});
