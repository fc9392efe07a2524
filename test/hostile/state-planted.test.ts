/** RELIABILITY §1.3 row 20: what others put into the directories of our own state is not followed, opened, waited for or deleted. */
import { execFileSync } from 'node:child_process';
import { lstat, readFile, readlink, symlink, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readImageRecords } from '../../src/lib/cache/disk/image-records.ts';
import { readPins, removePin, writePin } from '../../src/lib/cache/disk/pins.ts';
import { readLeases } from '../../src/lib/cache/disk/read-leases.ts';
import { makeCacheDirectory, storeIn, type CacheDirectory } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';

const content = seededContent(50, 10_000);
const NAMES = ['leases/1-0123456789abcdef.lease', 'images/planted.json', 'pins/planted.json'] as const;
let dir: CacheDirectory;
let secret: string;
beforeEach(async () => {
  dir = await makeCacheDirectory();
  const cache = dir.open();
  await storeIn(cache, content);
  await cache.close();
  secret = join(dir.path, '..', 'secret');
  // A lease of a process that has ended, a pin and an image at once: who follows the link believes or removes it.
  const line = {
    version: 1,
    pid: 4_194_303,
    startTicks: '1',
    space: 'x',
    name: 'n',
    diffIds: [],
    image: 'i',
    platform: 'p',
    layers: [],
  };
  await writeFile(secret, `${JSON.stringify(line)}\n`);
});
afterEach(() => dir.remove());

const own = (name: string): string => join(dir.path, '.clipctl/v1', name);

async function useAll(): Promise<void> {
  expect([...(await readLeases(dir.path))]).toEqual([]);
  expect(await readPins(dir.path)).toEqual([]);
  expect(await readImageRecords(dir.path)).toEqual([]);
  const cache = dir.open();
  await cache.touchLayer(content.hash);
  await storeIn(cache, seededContent(51, 10_000));
  await cache.close();
}

describe('§1.3 row 20: among leases, images and pins', () => {
  it.each(NAMES)('a link at %s is not followed, and stays with what it points to', async (name) => {
    const before = await readFile(secret, 'utf8');
    await symlink(secret, own(name));
    await useAll();
    expect(await readlink(own(name))).toBe(secret);
    expect(await readFile(secret, 'utf8')).toBe(before);
  });

  it.each(NAMES)('a fifo at %s is not waited for, and stays', async (name) => {
    execFileSync('mkfifo', [own(name)]);
    await useAll();
    expect((await lstat(own(name))).isFIFO()).toBe(true);
  });

  it.each(NAMES)('a directory at %s stays with what is in it', async (name) => {
    await mkdir(own(name));
    await writeFile(join(own(name), 'precious'), 'mine');
    await useAll();
    expect(await readFile(join(own(name), 'precious'), 'utf8')).toBe('mine');
  });
});

describe('the clock of uses', () => {
  it('that is a link is replaced, and what it points to is neither believed nor changed', async () => {
    const future = JSON.stringify({ version: 1, useMs: 9e15, wallMs: 0 });
    await writeFile(secret, future);
    execFileSync('ln', ['-sfn', secret, own('use-clock.json')]);
    await useAll();
    expect(await readFile(secret, 'utf8')).toBe(future);
    expect((await lstat(own('use-clock.json'))).isFile()).toBe(true);
    expect((JSON.parse(await readFile(own('use-clock.json'), 'utf8')) as { useMs: number }).useMs).toBeLessThan(9e15);
  });
});

describe('a pin', () => {
  it('whose name is a link to a secret replaces the link when it is written, and takes only itself away', async () => {
    await writePin(dir.path, { name: 'mine', diffIds: [] });
    const before = await readFile(secret, 'utf8');
    const [file = ''] = execFileSync('ls', [own('pins')], { encoding: 'utf8' }).split('\n');
    execFileSync('ln', ['-sfn', secret, own(`pins/${file}`)]);
    await writePin(dir.path, { name: 'mine', diffIds: [] });
    expect((await lstat(own(`pins/${file}`))).isFile()).toBe(true);
    expect(await removePin(dir.path, 'mine')).toBe(true);
    expect(await readFile(secret, 'utf8')).toBe(before);
  });
});
