/** RELIABILITY §1.3 row 20: our own directories are held open where others may swap them. */
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locksDirectory, ownDirectory, prepareCacheDirectory, trashDirectory } from '../../../src/lib/cache/disk/cache-layout.ts';
import { openDiskCache, type DiskCache } from '../../../src/lib/cache/disk/disk-cache.ts';
import { holdLayout, makeOwnDirectories, openLayout } from '../../../src/lib/cache/disk/held-layout.ts';
import { ALL_DIRECTORIES } from '../../../src/lib/cache/disk/own-names.ts';
import { readPins, writePin } from '../../../src/lib/cache/disk/pins.ts';
import { storageError } from '../../../src/lib/errors.ts';
import { MemoryBudget } from '../../../src/lib/pipeline/memory-budget.ts';
import { codeOf, storeIn, wrongFilesIn } from '../cache-directory.ts';
import { handlesLeftIn, openHandlesIn } from '../open-handles.ts';
import { seededContent } from '../seeded-content.ts';

const content = seededContent(5, 100_000);

let dir: string;
let cacheDir: string;
let release: () => void;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-held-'));
  cacheDir = join(dir, 'cache');
  await mkdir(cacheDir);
  await chmod(cacheDir, 0o2770);
  release = holdLayout(cacheDir);
});
afterEach(async () => {
  release();
  expect(await handlesLeftIn(dir)).toEqual([]);
  await rm(dir, { recursive: true, force: true });
});

const own = (...names: string[]): string => join(cacheDir, '.clipctl/v1', ...names);

async function swapForLink(path: string): Promise<string> {
  const outside = join(dir, 'outside');
  await mkdir(outside, { recursive: true });
  await rename(path, join(dir, 'away'));
  await symlink(outside, path);
  return outside;
}

const open = (): DiskCache => openDiskCache(cacheDir, { budget: new MemoryBudget(), shared: true, minFreeBytes: 0 });

describe('a directory of ours in the cache of a group', () => {
  it('is found under its name when a link has come to stand under its path, and is no link itself', async () => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    const name = locksDirectory(cacheDir);
    const outside = await swapForLink(own('locks'));
    await writeFile(join(name, 'mine'), 'mine');
    expect(locksDirectory(cacheDir)).toBe(name);
    expect((await lstat(name)).isDirectory()).toBe(true);
    expect(await readdir(outside)).toEqual([]);
    expect(await readFile(join(dir, 'away/mine'), 'utf8')).toBe('mine');
  });

  it.each(['.clipctl', '.clipctl/v1', '.clipctl/v1/locks'])('is refused when %s is a link, by its path', async (name) => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    release();
    release = holdLayout(cacheDir);
    const path = join(cacheDir, name);
    await swapForLink(path);
    expect(() => {
      openLayout(cacheDir);
    }).toThrow(
      expect.objectContaining({
        code: 'STORAGE_ERROR',
        message: `${path} is a link, and is not followed`,
        details: { path },
      }) as Error,
    );
  });

  it('has a name that leads nowhere while it is missing, whatever comes to stand there, until it is made', async () => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    await rmdir(own('trash'));
    const name = trashDirectory(cacheDir);
    await mkdir(join(dir, 'outside'));
    await symlink(join(dir, 'outside'), own('trash'));
    expect(await codeOf(readdir(name).catch((error: unknown) => Promise.reject(storageError(error, name, 'list'))))).toBe(
      'STORAGE_ERROR',
    );
    await rm(own('trash'));
    await makeOwnDirectories(cacheDir, ['trash'], 0o2770);
    expect(await readdir(trashDirectory(cacheDir))).toEqual([]);
    expect((await lstat(own('trash'))).mode & 0o7777).toBe(0o2770);
  });

  it('is told of by its path, also by what the file system says', async () => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    const path = join(locksDirectory(cacheDir), 'missing');
    const cause = await readFile(path).catch((error: unknown) => error);
    const error = storageError(cause, path, 'read');
    expect(error).toMatchObject({
      message: `cannot read ${own('locks/missing')}: ENOENT`,
      details: { path: own('locks/missing') },
    });
    expect((cause as Error).message).toContain(own('locks/missing'));
    expect(storageError(cause, ownDirectory(cacheDir), 'list').message).toBe(`cannot list ${own()}: ENOENT`);
    expect(storageError(cause, trashDirectory(cacheDir), 'list').message).toBe(`cannot list ${own('trash')}: ENOENT`);
  });

  it('is held until all who hold it let go, and each lets go once', async () => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    const again = holdLayout(`${cacheDir}/../cache`);
    openLayout(cacheDir);
    const held = await openHandlesIn(dir);
    expect(held.length).toBe(1 + ALL_DIRECTORIES.length);
    again();
    again();
    expect(await openHandlesIn(dir)).toEqual(held);
  });

  it('is made where the cache directory itself is a link', async () => {
    await rename(cacheDir, join(dir, 'real'));
    await symlink(join(dir, 'real'), cacheDir);
    await prepareCacheDirectory(cacheDir, { shared: true });
    expect((await readdir(join(dir, 'real/.clipctl/v1'))).sort()).toEqual([...ALL_DIRECTORIES].sort());
  });

  it('is made by the first state that is written, which is found again', async () => {
    const pin = { name: 'an image', diffIds: [] };
    expect(await readPins(cacheDir)).toEqual([]);
    await writePin(cacheDir, pin);
    expect(await readPins(cacheDir)).toEqual([pin]);
    expect(await readdir(own('pins'))).toHaveLength(1);
  });
});

describe('a directory of ours in a cache that everybody may write to', () => {
  it('is its maker’s alone, and held too', async () => {
    await chmod(cacheDir, 0o777);
    const cache = openDiskCache(cacheDir, { budget: new MemoryBudget(), minFreeBytes: 0 });
    await storeIn(cache, seededContent(6, 1000));
    expect((await lstat(own('layers'))).mode & 0o777).toBe(0o700);
    const outside = await swapForLink(join(cacheDir, '.clipctl'));
    await storeIn(cache, content);
    await cache.close();
    expect(await readdir(outside)).toEqual([]);
    expect(await readdir(join(dir, 'away/v1/layers'))).toContain(`${content.hash}.json`);
  });
});

describe('a directory that nobody else may write to', () => {
  it('is named by its path, and not opened', async () => {
    await chmod(cacheDir, 0o755);
    await prepareCacheDirectory(cacheDir);
    openLayout(cacheDir);
    expect(locksDirectory(cacheDir)).toBe(own('locks'));
    expect(await handlesLeftIn(dir)).toEqual([]);
  });
});

describe('the directories that a group’s cache was made with', () => {
  it.each([
    ['.clipctl', 0o2775, 0o755],
    ['.clipctl/v1', 0o755, 0o2775],
  ])('are held where only %s is the group’s still, and a link leads nothing outside', async (_, outerMode, innerMode) => {
    await prepareCacheDirectory(cacheDir, { shared: true });
    release();
    await chmod(cacheDir, 0o755);
    await chmod(join(cacheDir, '.clipctl'), outerMode);
    await chmod(own(), innerMode);
    release = holdLayout(cacheDir);
    const name = locksDirectory(cacheDir);
    const outside = await swapForLink(own('locks'));
    await writeFile(join(name, 'mine'), 'mine');
    expect(await readdir(outside)).toEqual([]);
    expect(await readdir(join(dir, 'away'))).toEqual(['mine']);
  });
});

describe('a disk cache of a group', () => {
  it.each(ALL_DIRECTORIES)('stores a layer while %s is a link, and nothing behind the link changes', async (name) => {
    const cache = open();
    await storeIn(cache, seededContent(6, 1000));
    await makeOwnDirectories(cacheDir, ALL_DIRECTORIES, 0o2770);
    await cache.holdLayers([content.hash]);
    const outside = await swapForLink(own(name));
    await storeIn(cache, content);
    await cache.close();
    expect(await readdir(outside)).toEqual([]);
    expect(await wrongFilesIn(cacheDir)).toEqual([]);
    expect((await readdir(cacheDir)).filter((each) => each === content.hash)).toHaveLength(1);
  });

  it('closes what it held also when it could not be used', async () => {
    release();
    const first = open();
    await storeIn(first, content);
    await first.close();
    expect(await handlesLeftIn(dir)).toEqual([]);
    await swapForLink(own('images'));
    const cache = open();
    expect(await codeOf(storeIn(cache, content))).toBe('STORAGE_ERROR');
    await cache.close();
    expect(await handlesLeftIn(dir)).toEqual([]);
  });

  it('touches no disk before it is used', async () => {
    release();
    const before = await readdir('/proc/self/fd');
    const cache = open();
    expect((await readdir('/proc/self/fd')).length).toBe(before.length);
    await cache.close();
  });

  it.each(['.clipctl', '.'])('makes its directories anew when somebody has removed %s', async (name) => {
    const cache = open();
    await storeIn(cache, seededContent(6, 1000));
    await rm(join(cacheDir, name, ''), { recursive: true });
    await storeIn(cache, content);
    expect(await readdir(own('layers'))).toEqual([`${content.hash}.json`]);
    await cache.close();
  });
});

describe.each([
  { kind: 'group', mode: 0o2770 },
  { kind: 'user', mode: 0o700 },
])('an open cache of a $kind whose directories somebody removes', ({ mode }) => {
  const REMOVED = ['.', '.clipctl', '.clipctl/v1', '.clipctl/v1/ingest', '.clipctl/v1/locks'];
  it.each(REMOVED)('brings layers again and again, whatever it was asked before: %s', async (name) => {
    await chmod(cacheDir, mode);
    const isShared = mode === 0o2770;
    const signal = new AbortController().signal;
    const cache = openDiskCache(cacheDir, { budget: new MemoryBudget(), shared: isShared, minFreeBytes: 0 });
    const bring = (layer: typeof content): Promise<void> =>
      cache.withLayerLock(layer.hash, { signal }, async () => {
        await storeIn(cache, layer);
      });
    await bring(content);
    for (const seed of [7, 8, 9]) {
      const next = seededContent(seed, 1000);
      await rm(join(cacheDir, name, ''), { recursive: true });
      await cache.holdLayers([next.hash]);
      expect(await cache.checkLayer(next.hash)).toBe('missing');
      await bring(next);
      expect(await cache.checkLayer(next.hash)).toBe('verified');
    }
    await cache.close();
    expect(await wrongFilesIn(cacheDir)).toEqual([]);
  });
});
