/** RELIABILITY §1.3 row 20: links where the directories of our own state stand. Nothing is written, read or removed behind them. */
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';

const LAYOUT = fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url));
const IMAGE = `oci:${LAYOUT}`;
const OWN = [
  '.clipctl',
  '.clipctl/v1',
  ...['ingest', 'layers', 'locks', 'index', 'documents', 'images', 'pins', 'leases', 'trash', 'uploads'].map(
    (name) => `.clipctl/v1/${name}`,
  ),
];
/** Old, and named like what a killed process leaves: who cleans up behind the link takes it away. */
const STRAY = `${'0'.repeat(16)}-1-1-${'0'.repeat(16)}.record`;

let home: Home;
let outside: string;
beforeEach(async () => {
  home = await makeHome();
  outside = home.path('outside');
  await mkdir(outside);
  await writeFile(join(outside, STRAY), 'mine');
  execFileSync('touch', ['-d', '3 days ago', join(outside, STRAY), outside]);
});
afterEach(() => home.remove());

async function plant(name: string): Promise<string> {
  const link = join(home.cacheDir, name);
  await mkdir(dirname(link), { recursive: true });
  await symlink(outside, link);
  return link;
}

async function expectRefused(args: readonly string[], link: string): Promise<void> {
  const { code, stderr } = await home.run(args);
  expect([args, code, stderr]).toEqual([args, 8, expect.stringContaining(`${link} is a link`)]);
  expect(await readdir(outside)).toEqual([STRAY]);
  expect(await readlink(link)).toBe(outside);
}

describe('a link at', () => {
  it.each(OWN)('%s is refused with 8 and named, and nothing lands behind it', async (name) => {
    await expectRefused(['warm', IMAGE], await plant(name));
    expect(await cachedLayers(home)).toEqual([]);
  });

  it('.clipctl/v1/ingest is refused by every command that would use the cache', async () => {
    const link = await plant('.clipctl/v1/ingest');
    const packed = home.path('image.tar.gz');
    execFileSync('tar', ['-cf', home.path('image.tar'), '-C', LAYOUT, '.']);
    await pipeline(createReadStream(home.path('image.tar')), createGzip(), createWriteStream(packed));
    for (const args of [
      ['index', IMAGE, '-o', home.path('x.clip')],
      ['inspect', IMAGE, '--check-warm'],
      ['warm', `oci-archive:${packed}`],
      ['warm', IMAGE, '--no-disk', '--to', `file://${home.path('remote')}`],
      ...[['ls'], ['du'], ['verify'], ['repair'], ['prune', '--yes'], ['pin', IMAGE], ['path', IMAGE]].map((verb) => [
        'cache',
        ...verb,
      ]),
    ])
      await expectRefused(args, link);
  });
});

describe('a fifo at', () => {
  it.each(OWN)('%s ends a warm with 8, and is named', async (name) => {
    const path = join(home.cacheDir, name);
    await mkdir(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
    const { code, stderr } = await home.run(['warm', IMAGE]);
    expect([code, stderr]).toEqual([8, expect.stringContaining(path)]);
  });
});

describe('a cache directory', () => {
  it('that is a link itself is used: its user made that', async () => {
    await mkdir(dirname(home.cacheDir), { recursive: true });
    await symlink(outside, home.cacheDir);
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
    expect((await readdir(outside)).filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(3);
  });
});
