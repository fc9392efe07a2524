/** RELIABILITY §1.3 row 20: another member of the group has put something into a stopped transfer of a shared cache. */
import { execFileSync } from 'node:child_process';
import { chmod, chown, link, lstat, mkdir, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { serveStoppedImage, type StoppedImage } from './stopped-transfer.ts';

const SOMEBODY = 4321;
const ANOTHER = 4322;
const HANG_MS = 30_000;
const MIB = 1024 * 1024;

interface WarmDocument {
  readonly totals: { readonly resumedBytes: number; readonly downloadedBytes: number };
}

const images: Partial<Record<'gzip' | 'zstd', StoppedImage>> = {};
let made: Home;
let home: Home;
let secret: string;
beforeAll(async () => {
  made = await makeHome();
  for (const kind of ['gzip', 'zstd'] as const) images[kind] = await serveStoppedImage(made.path(kind), kind);
});
afterAll(async () => {
  await Promise.all(Object.values(images).map((image) => image.close()));
  await made.remove();
});
beforeEach(async () => {
  home = await makeHome();
  secret = home.path('secret');
  await writeFile(secret, 'a secret', { mode: 0o640 });
});
afterEach(async () => {
  try {
    expect(await readFile(secret, 'utf8')).toBe('a secret');
    expect((await stat(secret)).mode & 0o777).toBe(0o640);
  } finally {
    await home.remove();
  }
});

function imageOf(kind: 'gzip' | 'zstd'): StoppedImage {
  const image = images[kind];
  if (image === undefined) throw new Error(`no image of ${kind}`);
  return image;
}

/** The directory of a transfer that was stopped. `owner`: whose it is. */
async function stop(kind: 'gzip' | 'zstd', owner: number): Promise<string> {
  await imageOf(kind).stopIn(home.cacheDir);
  await chmod(home.cacheDir, 0o2775);
  const ingest = join(home.cacheDir, '.clipctl/v1/ingest');
  const [name = '', ...others] = await readdir(ingest);
  expect(others).toEqual([]);
  const path = join(ingest, name);
  execFileSync('chown', ['-R', String(owner), path]);
  return path;
}

function warm(kind: 'gzip' | 'zstd', locks: string): Promise<CliResult> {
  const options = { env: { CLIPCTL_LOCKS: locks }, hangMs: HANG_MS };
  return home.run(['warm', imageOf(kind).reference, '--shared', '--min-free', '0', '--json'], options);
}

async function expectWarm({ code, stderr, stdout }: CliResult): Promise<void> {
  expect(code, stderr + stdout).toBe(0);
  expect(await cachedLayers(home)).toHaveLength(1);
  expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
}

const plants: readonly [string, (path: string) => Promise<unknown>][] = [
  ['a link to a secret', (path) => symlink(secret, path)],
  ['a hard link to a secret', (path) => link(secret, path)],
  ['a fifo', async (path) => execFileSync('mkfifo', ['-m', '666', path])],
  ['a directory', (path) => mkdir(path)],
  ['a file of a third user', async (path) => (await writeFile(path, 'x'.repeat(MIB)), chown(path, ANOTHER, 0))],
];
const cases = plants.flatMap(([what, plant]) =>
  (['layer', 'journal', 'spool', 'ahead'] as const).map((name) => ({ what, plant, name })),
);

describe.skipIf(process.getuid?.() !== 0)('§1.3 row 20: in a stopped transfer', () => {
  for (const kind of ['gzip', 'zstd'] as const) {
    for (const locks of ['auto', 'lease']) {
      it.each(cases)(`$what as $name is left alone: the ${kind} layer comes anew (locks: ${locks})`, async ({ plant, name }) => {
        const path = await stop(kind, SOMEBODY);
        await rm(join(path, name), { force: true });
        await plant(join(path, name));
        await expectWarm(await warm(kind, locks));
      });

      it(`a ${kind} layer of another user is gone on with in a copy (locks: ${locks})`, async () => {
        const path = await stop(kind, SOMEBODY);
        const before = imageOf(kind).servedBytes();
        const result = await warm(kind, locks);
        await expectWarm(result);
        const { resumedBytes, downloadedBytes } = result.json<WarmDocument>().totals;
        expect(resumedBytes).toBeGreaterThan(MIB);
        expect(imageOf(kind).servedBytes() - before).toBeLessThan(downloadedBytes + MIB / 4);
        expect(await readdir(join(path, '..'))).toEqual([]);
      });
    }
  }

  it('a link in the place of its directory is not followed, and named as none of ours', async () => {
    const path = await stop('gzip', 0);
    const outside = home.path('outside');
    execFileSync('mv', [path, outside]);
    const before = await stat(join(outside, 'layer'));
    await symlink(outside, path);
    await expectWarm(await warm('gzip', 'auto'));
    for (const command of [['du'], ['verify'], ['prune', '--max-size', '0', '--yes']])
      expect((await home.run(['cache', ...command, '--shared'])).stderr).toContain(`${path} no transfer can be gone on with`);
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(await stat(join(outside, 'layer'))).toMatchObject({ size: before.size, mode: before.mode, mtimeMs: before.mtimeMs });
  });

  it('one that others can write to is not written to', async () => {
    const path = await stop('gzip', 0);
    await chmod(path, 0o770);
    const held = await open(join(path, 'layer'));
    try {
      const { size, mode, mtimeMs } = await held.stat();
      await expectWarm(await warm('gzip', 'auto'));
      expect(await held.stat()).toMatchObject({ size, mode, mtimeMs, nlink: 0 });
    } finally {
      await held.close();
    }
  });
});
