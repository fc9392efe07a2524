/** The `cache` commands, built and run, on a cache that `warm` filled. RELIABILITY §2 rows 12, 14, 15, 23. */
import { execFileSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { cachedLayers } from './cache-state.ts';
import { makeMixedImage } from './mixed-image.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

let home: Home;
let largest: string;
beforeEach(async () => {
  home = await makeHome();
  expect((await home.run(['warm', IMAGE])).code).toBe(0);
  largest = join(home.cacheDir, (await cachedLayers(home))[0] ?? '');
});
afterEach(() => home.remove());

interface Verified {
  readonly checked: number;
  readonly corrupt: readonly { diffId: string; reason: string; images: string[] }[];
  readonly missing: readonly { diffId: string }[];
  readonly unverified: readonly string[];
  readonly repaired: readonly { by: string; from?: string }[];
}

/** Makes all layers ones that were last used a day ago. */
async function makeOld(): Promise<void> {
  const records = join(home.cacheDir, '.clipctl/v1/layers');
  const then = Date.now() / 1000 - 86_400;
  for (const name of await readdir(records)) await utimes(join(records, name), then, then);
}

async function overwrite(path: string, at: number, bytes: Buffer): Promise<void> {
  await chmod(path, 0o644);
  const handle = await open(path, 'r+');
  await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;
const DAMAGES: [string, string, (path: string) => Promise<void>][] = [
  ['a flipped bit', 'content', async (path) => overwrite(path, 100, Buffer.from([((await readFile(path))[100] ?? 0) ^ 1]))],
  ['a cut', 'size', async (path) => truncate(path, (await sizeOf(path)) - 1)],
  ['a byte more', 'size', async (path) => overwrite(path, await sizeOf(path), Buffer.from('x'))],
  ['zeros', 'content', async (path) => overwrite(path, 0, Buffer.alloc(4096))],
  ['a symlink to a copy', 'no-file', async (path) => (await rename(path, `${path}.away`), symlink(`${path}.away`, path))],
  ['mode 000', 'unreadable', (path) => chmod(path, 0)],
  ['no content', 'size', (path) => truncate(path, 0)],
];

describe('§2 row 15: a layer with', () => {
  it.each(DAMAGES)('%s is found by a quick verify (%s), exit 7, and repaired, exit 0', async (_what, reason, damage) => {
    expect((await home.run(['cache', 'verify'])).code).toBe(0);
    await damage(largest);
    const found = await home.run(['cache', 'verify', '--json']);
    const hash = largest.slice(-64);
    expect(found.json<Verified>().corrupt).toMatchObject([{ diffId: `sha256:${hash}`, reason, images: [IMAGE] }]);
    expect(found.code).toBe(7);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(7);
    const mended = await home.run(['cache', 'verify', '--repair', '--json']);
    expect(mended.json<Verified>().repaired).toMatchObject([{ by: 'fetched', from: IMAGE }]);
    expect([mended.code, (await home.run(['cache', 'verify', '--full'])).code]).toEqual([0, 0]);
    expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
    expect((await lstat(largest)).mode & 0o777).toBe(0o444);
  });
});

describe('row 15: a layer of mode 000', () => {
  it('is bad for ls and brought again by warm, also for root, who could read it', async () => {
    await chmod(largest, 0);
    const listed = await home.run(['cache', 'ls', '--json']);
    const { layers } = listed.json<{ layers: { diffId: string; state: string }[] }>();
    expect(layers.filter(({ state }) => state !== 'verified')).toMatchObject([
      { diffId: `sha256:${largest.slice(-64)}`, state: 'bad' },
    ]);
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    expect((await lstat(largest)).mode & 0o777).toBe(0o444);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
  });
});

describe('row 15: a layer with a flipped bit behind its old time, size and inode', () => {
  let remote: string;
  beforeEach(async () => {
    // A record knows whole milliseconds.
    const seconds = (Math.floor((await stat(largest)).mtimeMs) + 0.5) / 1000;
    await overwrite(largest, 100, Buffer.from([((await readFile(largest))[100] ?? 0) ^ 1]));
    await chmod(largest, 0o444);
    await utimes(largest, seconds, seconds);
    remote = home.path('remote');
    expect((await home.run(['cache', 'verify'])).code).toBe(0);
  });

  it('is found by verify --full and by warm --verify full, exit 7', async () => {
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    const warmed = await home.run(['warm', IMAGE, '--verify', 'full', '--json']);
    expect([warmed.code, warmed.json().error?.code]).toEqual([7, 'CACHE_CORRUPT']);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(7);
  });

  it('is found while it is pushed: the remote gets the other layers only, and the same command again mends both', async () => {
    const pushed = await home.run(['push-cache', IMAGE, '--to', `file://${remote}`]);
    expect([pushed.code, pushed.stderr]).toEqual([11, expect.stringContaining('the disk cache holds wrong content for')]);
    expect(pushed.stderr).toContain(largest.slice(-64));
    const names = (await readdir(remote, { recursive: true })).map((name) => basename(name));
    const good = (await cachedLayers(home)).filter((name) => name !== largest.slice(-64));
    expect(names).toEqual(expect.arrayContaining(good));
    expect(names.filter((name) => name.startsWith(largest.slice(-64)))).toEqual([]);
    expect((await home.run(['push-cache', IMAGE, '--to', `file://${remote}`])).code).toBe(0);
    expect([await wrongFilesIn(home.cacheDir), await wrongFilesIn(remote)]).toEqual([[], []]);
  });
});

describe('cache verify', () => {
  it('tells missing, unverified and bad apart', async () => {
    const [gone = '', copied = '', bad = ''] = (await cachedLayers(home)).map((name) => join(home.cacheDir, name));
    await rm(gone);
    await rm(join(home.cacheDir, '.clipctl/v1/layers', `${copied.slice(-64)}.json`));
    await truncate(bad, 7);
    const result = (await home.run(['cache', 'verify', '--json'])).json<Verified>();
    expect(result.missing.map(({ diffId }) => diffId.slice(7))).toEqual([gone.slice(-64)]);
    expect(result.unverified.map((diffId) => diffId.slice(7))).toEqual([copied.slice(-64)]);
    expect(result.corrupt.map(({ diffId }) => diffId.slice(7))).toEqual([bad.slice(-64)]);
    expect(result.checked).toBe(3);
  });

  it('takes a right file with another inode for what it is, and trusts it again', async () => {
    execFileSync('cp', [largest, `${largest}.copy`]);
    await rename(`${largest}.copy`, largest);
    const result = await home.run(['cache', 'verify', '--json']);
    expect([result.code, result.json<Verified>().corrupt]).toEqual([0, []]);
    expect((await home.run(['inspect', IMAGE, '--check-warm'])).code).toBe(0);
  });

  it('in five parts looks at every layer once', async () => {
    let checked = 0;
    for (const part of [1, 2, 3, 4, 5])
      checked += (await home.run(['cache', 'verify', '--full', '--subset', `${part}/5`, '--json'])).json<Verified>().checked;
    expect(checked).toBe(3);
    expect((await home.run(['cache', 'verify', '--subset', '6/5'])).code).toBe(2);
  });

  it('drops what no image can bring again, and says what to warm', async () => {
    await rm(join(home.cacheDir, '.clipctl/v1/images'), { recursive: true });
    await truncate(largest, 1);
    const result = await home.run(['cache', 'repair', '--json']);
    expect([result.code, result.json<Verified>().repaired[0]?.by]).toEqual([0, 'dropped']);
    expect(result.stderr).toContain('could not be fetched');
    expect(await cachedLayers(home)).not.toContain(largest.slice(-64));
  });

  it('leaves a directory under the name of a layer alone, and says in words what it is', async () => {
    await rm(largest);
    await mkdir(largest);
    const { code, stderr } = await home.run(['cache', 'repair']);
    expect([code, stderr]).toEqual([7, expect.stringContaining(`${largest} is not a regular file`)]);
    expect(stderr).not.toContain('ERR_FS');
    await rm(largest, { recursive: true });
  });
});

describe('cache prune', () => {
  const prune = (...args: string[]): Promise<CliResult> => home.run(['cache', 'prune', '--max-size', '0', ...args]);

  it('keeps what was used a moment ago, whatever the budget', async () => {
    const result = await prune('--yes', '--json');
    expect(result.code).toBe(0);
    expect(result.json<{ kept: { reason: string }[] }>().kept.map(({ reason }) => reason)).toEqual([
      'recent',
      'recent',
      'recent',
    ]);
    expect(await cachedLayers(home)).toHaveLength(3);
  });

  it('prints the plan and exits 2 while nobody says yes, then evicts with --yes', async () => {
    await makeOld();
    const asked = await prune();
    expect([asked.code, (await cachedLayers(home)).length]).toEqual([2, 3]);
    expect(asked.stdout).toContain('would evict 3 layers');
    expect((await prune('--dry-run')).code).toBe(0);
    const done = await prune('--yes');
    expect([done.code, await cachedLayers(home)]).toEqual([0, []]);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/images'))).toEqual([]);
  });

  it('leaves pinned, kept and foreign things alone', async () => {
    await writeFile(join(home.cacheDir, 'notes.txt'), 'mine');
    await mkdir(join(home.cacheDir, 'lost+found'));
    await makeOld();
    expect((await home.run(['cache', 'pin', largest.slice(-64)])).code).toBe(0);
    expect((await prune('--yes')).code).toBe(0);
    expect(await cachedLayers(home)).toEqual([largest.slice(-64)]);
    expect(await readdir(home.cacheDir)).toEqual(expect.arrayContaining(['notes.txt', 'lost+found']));
    const usage = (await home.run(['cache', 'du', '--json'])).json<{ foreign: { files: number } }>();
    expect(usage.foreign.files).toBe(1);
    await makeOld();
    expect((await home.run(['cache', 'unpin', largest.slice(-64)])).code).toBe(0);
    expect((await prune('--yes')).code).toBe(0);
    expect(await cachedLayers(home)).toEqual([]);
  });

  it('with --keep leaves the layers of that image, and says why', async () => {
    const other = await makeMixedImage(home.path('other'), 100_000, ['gzip']);
    expect((await home.run(['warm', other.reference])).code).toBe(0);
    await makeOld();
    const result = await prune('--yes', '--keep', IMAGE, '--json');
    expect(result.json<{ kept: { reason: string }[] }>().kept.map(({ reason }) => reason)).toEqual(['kept', 'kept', 'kept']);
    expect(await cachedLayers(home)).not.toContain(other.layers[0]?.diffId.slice('sha256:'.length));
    expect(await cachedLayers(home)).toHaveLength(3);
  });

  it('by age takes what was not used for so long', async () => {
    await makeOld();
    await home.run(['cache', 'prune', '--max-age', '2d', '--yes']);
    expect(await cachedLayers(home)).toHaveLength(3);
    await home.run(['cache', 'prune', '--max-age', '12h', '--yes']);
    expect(await cachedLayers(home)).toEqual([]);
  });
});

describe('cache path', () => {
  it('is the directory, or the files of an image or of one layer', async () => {
    const [first = ''] = await cachedLayers(home);
    expect((await home.run(['cache', 'path'])).stdout).toBe(`${home.cacheDir}\n`);
    const ofImage = (await home.run(['cache', 'path', IMAGE])).stdout.trim().split('\n');
    expect(ofImage.map((path) => basename(path)).toSorted()).toEqual((await cachedLayers(home)).toSorted());
    expect((await home.run(['cache', 'path', first])).stdout).toBe(`${join(home.cacheDir, first)}\n`);
    const unknown = await home.run(['cache', 'path', `sha256:${'0'.repeat(64)}`]);
    expect([unknown.code, unknown.stdout]).toEqual([4, '']);
  });
});

describe('cache du', () => {
  it('agrees with du within 1 percent, and names the image', async () => {
    const usage = (await home.run(['cache', 'du', '--json'])).json<{ totalBytes: number; images: { image: string }[] }>();
    const du = Number(execFileSync('du', ['-s', '--block-size=1', home.cacheDir], { encoding: 'utf8' }).split('\t')[0]);
    expect(Math.abs(usage.totalBytes - du) / du).toBeLessThan(0.01);
    expect(usage.images.map(({ image }) => image)).toEqual([IMAGE]);
  });
});

describe.skipIf(!canMount)('§2 row 12: a read-only cache', () => {
  it('serves a warm of a warm image, inspect and verify, exit 0', () => {
    const readOnly = `mount --bind '${home.cacheDir}' '${home.cacheDir}' && mount -o remount,bind,ro '${home.cacheDir}'`;
    for (const args of [
      ['warm', IMAGE],
      ['inspect', IMAGE, '--check-warm'],
      ['cache', 'verify', '--full'],
      ['cache', 'du'],
      ['cache', 'ls'],
    ]) {
      const [file = '', ...rest] = inMountNamespace(readOnly, [process.execPath, BIN, ...args, '--cache-dir', home.cacheDir]);
      expect(execFileSync(file, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).length).toBeGreaterThan(0);
    }
  });
});

describe('§2 row 23: a cache of a newer clipctl', () => {
  it('is refused with exit 8 by each command', async () => {
    await mkdir(join(home.cacheDir, '.clipctl/v2'));
    for (const args of [['du'], ['ls'], ['verify'], ['prune'], ['pin', IMAGE]]) {
      const { code, stderr } = await home.run(['cache', ...args]);
      expect([code, stderr]).toEqual([8, expect.stringContaining('newer clipctl')]);
    }
  });
});
