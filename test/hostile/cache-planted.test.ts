/** RELIABILITY §1.3 rows 20 and 21, §2 row 15: what others put into the cache directory. */
import { execFileSync } from 'node:child_process';
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import type { ContentHash } from '../../src/lib/oci/digest.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { codeOf, makeCacheDirectory, signal, storeIn, wrongFilesIn } from '../cache/cache-directory.ts';
import type { CacheDirectory } from '../cache/cache-directory.ts';
import { handlesLeftIn } from '../cache/open-handles.ts';
import { drain, seededContent, writeContent } from '../cache/seeded-content.ts';

const content = seededContent(30, 2_500_000);
const { hash, sizeBytes } = content;
let dir: CacheDirectory;
let secret: string;

beforeEach(async () => {
  dir = await makeCacheDirectory();
  await mkdir(dir.path, { recursive: true });
  secret = join(dir.path, '..', 'secret');
  await writeContent(secret, content);
});
afterEach(async () => {
  try {
    expect(dir.budget.usedBytes).toBe(0);
    expect(await handlesLeftIn(dir.path)).toEqual([]);
    expect((await readFile(secret)).equals(content.slice(0, sizeBytes))).toBe(true);
  } finally {
    await dir.remove();
  }
});

const layer = (): string => join(dir.path, hash);
const ingests = (): string => join(dir.path, '.clipctl/v1/ingest');

const planted: [string, () => Promise<unknown>][] = [
  ['a link to a file with the right content', () => symlink(secret, layer())],
  ['a dangling link', () => symlink(join(dir.path, 'nothing'), layer())],
  ['a fifo', async () => execFileSync('mkfifo', [layer()])],
];

describe('§1.3 row 20: under a final name', () => {
  it.each(planted)('%s is bad: not followed, not waited for', async (_what, plant) => {
    await plant();
    const cache = dir.open();
    expect(await cache.checkLayer(hash)).toBe('bad');
    expect(await cache.verifyLayer(hash, { signal })).toBe('bad');
    expect(await cache.contentExists(hash, { signal })).toBeUndefined();
    expect(await codeOf(cache.getContent(hash, { signal }))).toBe('STORAGE_ERROR');
    const listed: unknown[] = [];
    for await (const entry of cache.listContent({ signal })) listed.push(entry);
    expect(listed).toEqual([]);
  });

  it.each(planted)('%s is replaced by a store, and what it pointed to is not touched', async (_what, plant) => {
    await plant();
    await storeIn(dir.open(), content);
    expect((await lstat(layer())).isFile()).toBe(true);
    expect(await dir.open().checkLayer(hash)).toBe('verified');
    expect(await wrongFilesIn(dir.path)).toEqual([]);
  });

  it('a directory breaks a store with STORAGE_ERROR and stays as it is', async () => {
    await mkdir(layer());
    await writeFile(join(layer(), 'precious'), 'mine');
    expect(await dir.open().checkLayer(hash)).toBe('bad');
    await expect(storeIn(dir.open(), content)).rejects.toMatchObject({
      code: 'STORAGE_ERROR',
      hint: expect.stringContaining('look at it and remove it') as string,
    });
    expect(await readFile(join(layer(), 'precious'), 'utf8')).toBe('mine');
    expect(await readdir(ingests())).toEqual([]);
  });

  it.each(planted)('%s is a miss of a file remote, and a store replaces it', async (_what, plant) => {
    await plant();
    const remote = await openRemote(`file://${dir.path}`, contextForTest());
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(await remote.getContent(hash, { signal })).toBeUndefined();
    await remote.storeContent(content.source(), hash, { sizeBytes, signal });
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });
});

const damages: [string, () => Promise<unknown>][] = [
  ['one flipped bit', () => overwrite(1_000_000, Buffer.from([(content.slice(1_000_000, 1)[0] ?? 0) ^ 1]))],
  ['a cut by one byte', () => truncate(layer(), sizeBytes - 1)],
  ['one byte more', () => overwrite(sizeBytes, Buffer.from('x'))],
  ['zeros at the end', () => overwrite(sizeBytes - 4096, Buffer.alloc(4096))],
  ['nothing in it', () => truncate(layer(), 0)],
];

async function overwrite(offset: number, bytes: Buffer): Promise<void> {
  const handle = await open(layer(), 'r+');
  await handle.write(bytes, 0, bytes.length, offset);
  await handle.close();
}

describe('§2 row 15: a committed layer with', () => {
  beforeEach(() => storeIn(dir.open(), content));

  it.each(damages)('%s is not verified any more, found bad, and mended by a store', async (_what, damage) => {
    await damage();
    const cache = dir.open();
    expect(await cache.checkLayer(hash)).toBe('unverified');
    expect(await codeOf(cache.getContent(hash, { signal }).then(drain))).toBe('CACHE_CORRUPT');
    expect(await cache.verifyLayer(hash, { signal })).toBe('bad');
    await storeIn(cache, content);
    expect(await wrongFilesIn(dir.path)).toEqual([]);
    expect(await cache.checkLayer(hash)).toBe('verified');
  });

  it('a flipped bit behind an old mtime is found by the full check, and not trusted from then on', async () => {
    const { mtimeMs } = await stat(layer());
    await overwrite(77, Buffer.from([(content.slice(77, 1)[0] ?? 0) ^ 1]));
    const sameMs = (Math.floor(mtimeMs) + 0.5) / 1000;
    await utimes(layer(), sameMs, sameMs);
    expect(await dir.open().checkLayer(hash)).toBe('verified');
    expect(await dir.open().verifyLayer(hash, { signal })).toBe('bad');
    expect(await dir.open().checkLayer(hash)).toBe('unverified');
  });
});

describe('§1.3 row 20: in the ingest directory', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['a link to a secret', async (path) => (await rm(path), symlink(secret, path))],
    ['a hard link to a secret', async (path) => (await rm(path), link(secret, path))],
    ['another file', async (path) => (await writeContent(`${path}.new`, content), rename(`${path}.new`, path))],
    ['a second name', (path) => link(path, join(dir.path, 'second'))],
    ['nothing', (path) => rm(path)],
  ])('%s instead of the file is refused with STORAGE_ERROR', async (_what, swap) => {
    const cache = dir.open();
    const ingest = await cache.beginIngest();
    await writeContent(ingest.path, content);
    await swap(ingest.path);
    expect(await codeOf(ingest.commit(hash, { sizeBytes, signal }))).toBe('STORAGE_ERROR');
    await ingest.discard();
    expect(await cache.checkLayer(hash)).toBe('missing');
    expect(await readdir(ingests())).toEqual([]);
  });
});

const atLease: [string, (path: string) => Promise<unknown>][] = [
  ['a fifo', async (path) => execFileSync('mkfifo', [path])],
  ['a link', (path) => symlink(secret, path)],
  ['a dangling link', (path) => symlink(join(dir.path, 'nothing'), path)],
  ['a directory', (path) => mkdir(path)],
];

describe('§1.3 row 20: a link named like a transfer', () => {
  it('is neither taken up nor removed, and nothing is written where it leads', async () => {
    const outside = join(dir.path, '../outside');
    await mkdir(outside);
    await storeIn(dir.open(), seededContent(31, 1000));
    const planted = join(ingests(), `${hash}.${'0'.repeat(32)}`);
    await symlink(outside, planted);
    const cache = dir.open();
    await cache.withLayerLock(hash, { signal }, async () => {
      const ingest = await cache.beginIngest({ hash });
      await ingest.discard();
    });
    await cache.removeLeftovers(signal);
    expect(await readlink(planted)).toBe(outside);
    expect(await readdir(outside)).toEqual([]);
  });
});

describe('§1.3 row 20: under the name of the lease of a lock', () => {
  const bring = (until: AbortSignal = signal): Promise<string> =>
    dir.open().withLayerLock(hash, { signal: until }, () => Promise.resolve('brought'));
  const lease = (): string => join(dir.path, `.clipctl/v1/locks/${hash}.lease`);

  it.each(atLease)('%s is not waited for: STORAGE_ERROR names it, and it stays', async (_what, plant) => {
    expect(await bring()).toBe('brought');
    await plant(lease());
    await expect(bring()).rejects.toMatchObject({ code: 'STORAGE_ERROR', details: { path: lease() } });
    expect((await lstat(lease())).isFile()).toBe(false);
    expect(await readdir(dirname(lease()))).toEqual([`${hash}.lease`]);
  });

  it.each(atLease)('%s keeps nobody from another layer, nor the removal of leftovers', async (_what, plant) => {
    await bring();
    await plant(lease());
    const other = '0'.repeat(64) as ContentHash;
    await writeFile(join(dir.path, `.clipctl/v1/locks/${other}.lock`), '');
    await dir.open().removeLeftovers(signal);
    expect(await readdir(dirname(lease()))).toEqual([`${hash}.lease`]);
    expect(await dir.open().withLayerLock(other, { signal }, () => Promise.resolve(1))).toBe(1);
  });

  it('a file too large for a lease is waited for no longer than the command runs', async () => {
    await bring();
    await writeFile(lease(), 'x'.repeat(5000));
    await expect(bring(AbortSignal.timeout(300))).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});

describe('§1.3 row 21: foreign names', () => {
  it('are neither opened, listed nor deleted: Go CLIP writes <hash>.tmp there', async () => {
    const names = [`${hash}.tmp`, 'lost+found', hash.toUpperCase(), hash.slice(1), `${hash}0`, `.${hash}`];
    for (const name of names) execFileSync('mkfifo', [join(dir.path, name)]);
    const cache = dir.open();
    await storeIn(cache, content);
    const listed: string[] = [];
    for await (const entry of cache.listContent({ signal })) listed.push(entry.hash);
    expect(listed).toEqual([hash]);
    expect(await cache.deleteContent(hash, { signal })).toBe(true);
    for (const name of names) expect((await lstat(join(dir.path, name))).isFIFO()).toBe(true);
  });

  it('change nothing for us while Go CLIP writes the same layer, in 100 of 100 runs', async () => {
    for (let round = 0; round < 100; round += 1) {
      const small = seededContent(1000 + round, 5000);
      const final = join(dir.path, small.hash);
      const foreign = (async () => {
        await writeFile(`${final}.tmp`, small.slice(0, 5000));
        await rename(`${final}.tmp`, final);
      })();
      await Promise.all([foreign, storeIn(dir.open(), small)]);
    }
    expect(await wrongFilesIn(dir.path)).toEqual([]);
  });
});
