/** RELIABILITY §2 row 12: what only reads needs no cache directory that can be written, and leaves nothing anywhere. */
import { execFile } from 'node:child_process';
import { chown, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
/** Text that compresses, long enough for some checkpoints. */
const LONG = Array.from({ length: 40_000 }, (_, line) => `${line} ${(line * 2_654_435_761) % 4_294_967_296}`).join('\n');
const INTERVAL = ['--checkpoint-interval', '64KiB'];

let home: Home;
let registry: LoopbackRegistry;
let image: string;
let clip: string;
beforeAll(async () => {
  home = await makeHome();
  const { directory } = await makeLayout(home.path('app'), [
    { files: { 'a/': '', 'a/long': LONG, 'a/one': 'one' } },
    { files: { b: 'b' }, compression: 'zstd' },
  ]);
  registry = await startLoopbackRegistry({ repositories: { app: directory } });
  image = `${registry.host}/app:v1`;
  clip = home.path('app.clip');
  expect((await home.run(['index', image, '-o', clip, ...INTERVAL, '--warm', '--cache-dir', home.path('warm')])).code).toBe(0);
  await mkdir(home.path('empty'));
});
afterAll(async () => {
  await registry.close();
  await home.remove();
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runBehind(wrapper: readonly string[], args: readonly string[]): Promise<Ended> {
  const [file = '', ...rest] = [...wrapper, process.execPath, BIN, ...args];
  const env = { PATH: process.env['PATH'] ?? '', HOME: home.path('home'), TMPDIR: home.path('tmp') };
  return new Promise((resolve) => {
    const child = execFile(file, rest, { env, timeout: 60_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

interface Verified {
  readonly ok: boolean;
  readonly checked: { readonly layers: number; readonly checkpoints: number };
}

async function expectVerified(wrapper: readonly string[], cacheDir: string): Promise<void> {
  const verify = async (...args: string[]): Promise<Verified['checked']> => {
    const { code, stdout, stderr } = await runBehind(wrapper, ['verify', ...args, '--cache-dir', cacheDir, '--json', '-q']);
    expect([args, code, stderr]).toEqual([args, 0, '']);
    const { ok, checked } = JSON.parse(stdout) as Verified;
    expect(ok).toBe(true);
    return checked;
  };
  expect((await verify(image)).layers).toBe(2);
  await verify(clip);
  const full = await verify(clip, '--full');
  expect(full.layers).toBe(2);
  expect(full.checkpoints).toBeGreaterThan(8);
  expect(await readdir(home.path('tmp'))).toEqual([]);
}

async function expectIndexed(wrapper: readonly string[], cacheDir: string): Promise<void> {
  const output = home.path('again.clip');
  const { code } = await runBehind(wrapper, ['index', image, '-o', output, ...INTERVAL, '--cache-dir', cacheDir]);
  expect(code).toBe(0);
  expect((await readFile(output)).equals(await readFile(clip))).toBe(true);
  await rm(output);
}

describe.skipIf(!canMount)('verify and index need no right to write to the cache directory:', () => {
  it.each([
    ['a warm one on a read-only file system', 'warm', 'warm'],
    ['an empty one on a read-only file system', 'empty', 'empty'],
    ['one that is missing and can not be made', 'empty', 'empty/a/b'],
  ])('%s', async (_, mounted, cache) => {
    const at = home.path(mounted);
    const readOnly = inMountNamespace(`mount --bind '${at}' '${at}' && mount -o remount,bind,ro '${at}'`, []);
    await expectVerified(readOnly, home.path(cache));
    await expectIndexed(readOnly, home.path(cache));
  });

  it('one on a file system without a free byte', async () => {
    const full = `mount -t tmpfs -o size=4k none '${home.path('empty')}' && (cat /dev/zero > '${home.path('empty/filler')}' || true) 2>/dev/null`;
    await expectVerified(inMountNamespace(full, []), home.path('empty/cache'));
  });
});

it.skipIf(process.getuid?.() !== 0)('verify takes no notice of a cache directory that is of another user', async () => {
  const theirs = home.path('theirs');
  await mkdir(theirs);
  await chown(theirs, 4711, 4711);
  await expectVerified([], theirs);
  expect(await readdir(theirs)).toEqual([]);
});

it('verify --full evicts nothing, and a cache that is too small for a layer does not matter to it', async () => {
  const before = await readdir(home.path('warm'));
  const args = ['verify', clip, '--full', '--cache-dir', home.path('warm'), '--max-cache-size', '1KiB'];
  expect((await runBehind([], args)).code).toBe(0);
  expect(await readdir(home.path('warm'))).toEqual(before);
});
