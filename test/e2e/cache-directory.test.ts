/** Where the cache directory is wrong, another's, of another version, or shared with strangers. RELIABILITY §1.3 row 20, §2 rows 12, 23. */
import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { cachedLayers } from './cache-state.ts';
import { makeHome, type Home } from './run-cli.ts';

const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const LAYERS = 3;

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs clipctl behind `wrapper`, which ends with `--` or the like. */
function runBehind(wrapper: readonly string[], args: readonly string[]): Promise<Ended> {
  const [file, ...rest] = [...wrapper, process.execPath, BIN, ...args, '--cache-dir', home.cacheDir];
  const env = { PATH: process.env['PATH'] ?? '', HOME: home.path('home') };
  return new Promise((resolve) => {
    const child = execFile(file, rest, { env, timeout: 60_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** root without the right to write where its own files say that it may not. */
const UNPRIVILEGED = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all'];
const bareUser = process.getuid?.() === 0 ? UNPRIVILEGED : [];

function expectDenied({ code, stderr }: Ended, path = home.cacheDir): void {
  expect([code, stderr]).toEqual([8, expect.stringContaining(path)]);
  expect(stderr).toContain('CLIPCTL_CACHE_DIR');
  expect(stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
}

const READS = [
  ['inspect', IMAGE, '--check-warm'],
  ['warm', IMAGE],
  ['cache', 'ls'],
  ['cache', 'du'],
  ['cache', 'verify'],
  ['cache', 'verify', '--full'],
  ['cache', 'path', IMAGE],
] as const;

describe('row 12: a cache directory', () => {
  it('that is missing, with its parents, is made', async () => {
    expect((await home.run(['warm', IMAGE, '--cache-dir', home.path('a/b/c')])).code).toBe(0);
    expect((await stat(home.path('a/b/c'))).mode & 0o777).toBe(0o700);
  });

  it.each([['warm'], ['index']])('that is a file ends %s with 8, and the file stays', async (command) => {
    await mkdir(dirname(home.cacheDir), { recursive: true });
    await writeFile(home.cacheDir, 'mine');
    const output = command === 'index' ? ['--warm', '-o', home.path('x.clip')] : [];
    expectDenied(await home.run([command, IMAGE, ...output]));
    expect(await readFile(home.cacheDir, 'utf8')).toBe('mine');
  });

  it('below a file ends with 8', async () => {
    await writeFile(home.path('file'), 'mine');
    expectDenied(await home.run(['warm', IMAGE, '--cache-dir', home.path('file/cache')]), home.path('file/cache'));
  });

  it('whose mode forbids writing serves reads with 0, and ends a warm of what is missing with 8', async () => {
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    const directories = [home.cacheDir, ...(await directoriesIn(home.cacheDir))];
    for (const path of directories) await chmod(path, 0o500);
    for (const args of READS) expect([args, (await runBehind(bareUser, args)).code]).toEqual([args, 0]);
    for (const path of directories) await chmod(path, 0o700);
    const [layer = ''] = await cachedLayers(home);
    await rm(join(home.cacheDir, layer));
    for (const path of directories) await chmod(path, 0o500);
    expectDenied(await runBehind(bareUser, ['warm', IMAGE]));
    for (const path of directories) await chmod(path, 0o700);
  });

  it.skipIf(!canMount)('on a read-only file system serves reads with 0, and ends writes with 8', async () => {
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    const mount = `mount --bind '${home.cacheDir}' '${home.cacheDir}' && mount -o remount,bind,ro '${home.cacheDir}'`;
    const readOnly = inMountNamespace(mount, []);
    for (const args of READS) expect([args, (await runBehind(readOnly, args)).code]).toEqual([args, 0]);
    expectDenied(await runBehind(readOnly, ['cache', 'pin', IMAGE]));
    await unuse();
    expectDenied(await runBehind(readOnly, ['cache', 'prune', '--max-size', '0', '--yes']));
    const [layer = ''] = await cachedLayers(home);
    await rename(join(home.cacheDir, layer), home.path('away'));
    expectDenied(await runBehind(readOnly, ['warm', IMAGE]));
    await writeFile(join(home.cacheDir, layer), 'wrong');
    expectDenied(await runBehind(readOnly, ['cache', 'repair']));
  });
});

/** So that they may be evicted: their records say that nobody has used them for hours. */
async function unuse(): Promise<void> {
  const records = join(home.cacheDir, '.clipctl/v1/layers');
  const then = new Date(Date.now() - 3 * 60 * 60_000);
  for (const name of await readdir(records)) await utimes(join(records, name), then, then);
}

async function directoriesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

describe('row 23: a cache', () => {
  it('of before there were records, as Go CLIP leaves it, is read: nothing is fetched, and its own files stay', async () => {
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    await rm(join(home.cacheDir, '.clipctl'), { recursive: true });
    await rm(join(home.cacheDir, 'CACHEDIR.TAG'));
    const [layer = ''] = await cachedLayers(home);
    await writeFile(join(home.cacheDir, `${layer}.tmp`), 'half');
    expect((await home.run(['cache', 'verify', '--json'])).json<{ unverified: string[] }>().unverified).toHaveLength(LAYERS);
    const warmed = (await home.run(['warm', IMAGE, '--json'])).json<{
      images: { layers: { servedBy: string }[] }[];
      totals: { downloadedBytes: number };
    }>();
    expect(warmed.images[0]?.layers.map(({ servedBy }) => servedBy)).toEqual(['disk', 'disk', 'disk']);
    expect(warmed.totals.downloadedBytes).toBe(0);
    expect((await home.run(['cache', 'verify', '--json'])).json<{ unverified: string[] }>().unverified).toEqual([]);
    expect(await readFile(join(home.cacheDir, `${layer}.tmp`), 'utf8')).toBe('half');
  });

  it('made by a newer clipctl is refused with 8 by every command that would use it, and stays as it is', async () => {
    await mkdir(join(home.cacheDir, '.clipctl/v2'), { recursive: true });
    const output = home.path('x.clip');
    for (const args of [
      ['warm', IMAGE],
      ['index', IMAGE, '--warm', '-o', output],
      ['inspect', IMAGE, '--check-warm'],
      ...CACHE,
    ]) {
      const { code, stderr } = await home.run(args);
      expect([args, code, stderr]).toEqual([args, 8, expect.stringContaining('newer clipctl')]);
    }
    expect(await readdir(home.cacheDir)).toEqual(['.clipctl']);
    expect(await readdir(join(home.cacheDir, '.clipctl'))).toEqual(['v2']);
  });

  it('with foreign files and lost+found warms, verifies and prunes around them, and counts them', async () => {
    await mkdir(join(home.cacheDir, 'lost+found'), { recursive: true, mode: 0o700 });
    await writeFile(join(home.cacheDir, 'lost+found/#12345'), Buffer.alloc(20_000));
    await writeFile(join(home.cacheDir, 'notes.txt'), 'mine');
    await symlink('/etc/passwd', join(home.cacheDir, 'link'));
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
    expect((await home.run(['cache', 'prune', '--max-size', '0', '--yes'])).code).toBe(0);
    const usage = (await home.run(['cache', 'du', '--json'])).json<{ foreign: { files: number; diskBytes: number } }>();
    expect(usage.foreign.files).toBe(3);
    expect(usage.foreign.diskBytes).toBeGreaterThanOrEqual(20_000);
    expect(await readFile(join(home.cacheDir, 'notes.txt'), 'utf8')).toBe('mine');
    expect((await stat(join(home.cacheDir, 'lost+found/#12345'))).size).toBe(20_000);
    expect((await lstat(join(home.cacheDir, 'link'))).isSymbolicLink()).toBe(true);
  });
});

const CACHE = [
  ['du'],
  ['ls'],
  ['verify'],
  ['repair'],
  ['prune', '--yes'],
  ['pin', IMAGE],
  ['unpin', IMAGE],
  ['path', IMAGE],
  ['path'],
].map((args) => ['cache', ...args]);

describe.skipIf(process.getuid?.() !== 0)('a cache directory of another user', () => {
  beforeEach(async () => {
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    await chown(home.cacheDir, 4711, 4711);
  });

  it('is refused with 8, for reads too, and the message names --shared', async () => {
    for (const args of [
      ['warm', IMAGE],
      ['cache', 'du'],
      ['cache', 'verify'],
      ['inspect', IMAGE],
    ]) {
      const result = await home.run(args);
      expectDenied(result);
      expect(result.stderr).toContain('--shared');
    }
  });

  it('is used with --shared', async () => {
    expect((await home.run(['warm', IMAGE, '--shared', '--json'])).json<{ totals: object }>().totals).toMatchObject({
      downloadedBytes: 0,
    });
  });
});
