/** kill -9 at each call of a commit: RELIABILITY §2 rows 1 and 11. What is left counts once, makes room, and serves. */
import { link, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { bundleChild, canTrace } from '../cache/cache-process.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { diskUsage, killClipctl, killNode, type KillAt } from './killed-clipctl.ts';

const MIB = 1024 * 1024;
const LAYER_MIB = 8;
/** Room for one layer and a half. */
const CAP_BYTES = 12 * MIB;

let store: Home;
let registry: LoopbackRegistry;
/** Of the layers of `app` and `other`. */
let hashes: { readonly app: string; readonly other: string };
let digest: string;
let home: Home;
beforeAll(async () => {
  store = await makeHome();
  const app = await makeLayout(store.path('app'), [noise(1)]);
  const other = await makeLayout(store.path('other'), [noise(2)]);
  registry = await startLoopbackRegistry({ repositories: { app: app.directory, other: other.directory } });
  digest = app.layers[0]?.digest ?? '';
  const hashOf = ({ layers: [layer] }: typeof app): string => (layer?.diffId ?? '').slice('sha256:'.length);
  hashes = { app: hashOf(app), other: hashOf(other) };
});
afterAll(async () => {
  await registry.close();
  await store.remove();
});
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

function noise(seed: number): { readonly files: Readonly<Record<string, Buffer>>; readonly compression: 'gzip' } {
  const bytes = seededContent(seed, LAYER_MIB * MIB).slice(0, LAYER_MIB * MIB);
  return { files: { 'a.bin': Buffer.from(bytes) }, compression: 'gzip' };
}

function warmArgs(name: 'app' | 'other', flags: readonly string[] = []): string[] {
  return ['warm', `${registry.host}/${name}:v1`, '--progress', 'none', '--min-free', '0', ...flags];
}

function warm(name: 'app' | 'other', flags: readonly string[] = []): Promise<CliResult> {
  return home.run([...warmArgs(name, flags), '--json']);
}

function own(...names: readonly string[]): string {
  return join(home.cacheDir, '.clipctl/v1', ...names);
}

async function left(): Promise<string[]> {
  const names = ['ingest', 'locks', 'leases', 'trash'].map((name) => readdir(own(name)).catch(() => []));
  return (await Promise.all(names)).flat();
}

interface Usage {
  readonly ownBytes: number;
  readonly totalBytes: number;
  readonly foreign: { readonly files: number; readonly diskBytes: number };
}

/** What `cache du` says is what `du` says, and all of it is ours. */
async function expectCounted(): Promise<Usage> {
  const usage = (await home.run(['cache', 'du', '--json'])).json<never>() as Usage;
  expect(usage.totalBytes).toBe(await diskUsage(home.cacheDir));
  expect(usage.foreign).toEqual({ files: 0, diskBytes: 0 });
  return usage;
}

/** Was last used a day ago: it may go. */
async function age(): Promise<void> {
  const yesterday = Date.now() / 1000 - 86_400;
  for (const name of await readdir(own('layers'))) await utimes(own('layers', name), yesterday, yesterday);
}

/** Bytes of the layer of `app` that were served while `action` ran. */
async function servedBytes(action: () => Promise<unknown>): Promise<number> {
  const from = registry.requests.length;
  await action();
  const served = registry.requests.slice(from).filter(({ path }) => path.endsWith(digest));
  return served.reduce((sum, { bytesServed }) => sum + bytesServed, 0);
}

const BEFORE_ITS_NAME: KillAt[] = [
  { call: 'rename', nth: 1 },
  { call: 'rename', nth: 2 },
  { call: 'link', nth: 2 },
];
const WITH_ITS_NAME: (KillAt & { readonly what: string })[] = [
  { what: 'right behind its link', call: 'fsync', nth: 2 },
  { what: 'right behind its rename, where there are no links', call: 'fsync', nth: 2, more: ['link:error=EPERM:when=2'] },
  { what: 'while its transfer goes', call: 'unlink', nth: 3 },
  { what: 'when the transfer is empty', call: 'rmdir', nth: 1 },
];

// The names of the calls are those of x86-64: elsewhere node makes others.
describe.skipIf(process.arch !== 'x64' || !canTrace())('a warm that is killed', () => {
  it.each(BEFORE_ITS_NAME)(
    'before its layer has its name ($call $nth) leaves a transfer, and the next goes on with it',
    async (at) => {
      await killClipctl(home, warmArgs('app'), at);
      expect(await cachedLayers(home)).toEqual([]);
      await expectCounted();
      expect((await home.run(['cache', 'verify'])).code).toBe(0);
      expect(await servedBytes(async () => expect((await warm('app')).code).toBe(0))).toBeLessThan(MIB);
      await expectCounted();
      expect(await left()).toEqual([]);
      expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
    },
  );

  it.each(BEFORE_ITS_NAME)(
    'before its layer has its name ($call $nth) makes room for another, and leaves nothing',
    async (at) => {
      await killClipctl(home, warmArgs('app'), at);
      expect((await warm('other', ['--max-cache-size', String(CAP_BYTES)])).code).toBe(0);
      expect((await expectCounted()).ownBytes).toBeLessThanOrEqual(CAP_BYTES);
      expect(await cachedLayers(home)).toEqual([hashes.other]);
      expect((await home.run(['cache', 'verify'])).code).toBe(0);
      expect(await left()).toEqual([]);
    },
  );

  it.each(WITH_ITS_NAME)('$what has a layer that counts once, and is not fetched again', async ({ what: _, ...at }) => {
    await killClipctl(home, warmArgs('app'), at);
    expect(await cachedLayers(home)).toEqual([hashes.app]);
    expect((await expectCounted()).ownBytes).toBeLessThan(CAP_BYTES);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
    expect(await servedBytes(async () => expect((await warm('app')).code).toBe(0))).toBe(0);
    await expectCounted();
    expect(await left()).toEqual([]);
  });

  it.each(WITH_ITS_NAME)('$what: its layer is evicted like any other, and the limit holds', async ({ what: _, ...at }) => {
    await killClipctl(home, warmArgs('app'), at);
    const flags = ['--max-cache-size', String(CAP_BYTES)];
    // It was used a moment ago, and stays.
    expect((await warm('other', flags)).code).toBe(8);
    expect((await expectCounted()).ownBytes).toBeLessThanOrEqual(CAP_BYTES);
    await age();
    expect((await warm('other', flags)).code).toBe(0);
    expect((await expectCounted()).ownBytes).toBeLessThanOrEqual(CAP_BYTES);
    expect(await cachedLayers(home)).toEqual([hashes.other]);
    expect(await left()).toEqual([]);
  });

  it('right behind its link: cache prune frees what it says', async () => {
    await killClipctl(home, warmArgs('app'), { call: 'fsync', nth: 2 });
    await age();
    const before = await diskUsage(home.cacheDir);
    const { freedBytes } = (await home.run(['cache', 'prune', '--max-size', '0', '--yes', '--json'])).json<never>() as {
      freedBytes: number;
    };
    expect(freedBytes).toBeGreaterThan(LAYER_MIB * MIB);
    expect(before - (await diskUsage(home.cacheDir))).toBeGreaterThanOrEqual(freedBytes);
  });

  it('right behind the replacement of a wrong file has one that is right', async () => {
    await warm('other');
    await writeFile(join(home.cacheDir, hashes.app), 'wrong');
    await killClipctl(home, warmArgs('app'), { call: 'fsync', nth: 2 });
    await expectCounted();
    expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
    expect(await servedBytes(() => warm('app'))).toBe(0);
    expect(await left()).toEqual([]);
  });
});

describe.skipIf(process.arch !== 'x64' || !canTrace())(
  'of a layer that has its name, and lost its record to a power loss',
  () => {
    beforeEach(async () => {
      await killClipctl(home, warmArgs('app'), { call: 'fsync', nth: 2 });
      await rm(own('layers', `${hashes.app}.json`), { force: true });
    });

    it('it counts once and as ours, and is hashed before it serves', async () => {
      await expectCounted();
      expect(await servedBytes(async () => expect((await warm('app')).code).toBe(0))).toBe(0);
      expect((await home.run(['cache', 'ls', '--json'])).json()).toMatchObject({ layers: [{ state: 'verified' }] });
      expect(await left()).toEqual([]);
    });

    it('another image takes its place', async () => {
      expect((await warm('other', ['--max-cache-size', String(CAP_BYTES)])).code).toBe(0);
      expect((await expectCounted()).ownBytes).toBeLessThanOrEqual(CAP_BYTES);
      expect(await cachedLayers(home)).toEqual([hashes.other]);
      expect(await left()).toEqual([]);
    });

    it('it stays ours when another image leaves it', async () => {
      expect((await warm('other')).code).toBe(0);
      await expectCounted();
      expect(await cachedLayers(home)).toHaveLength(2);
      expect(await left()).toEqual([]);
    });

    it('one that somebody else has linked to is not ours to take away', async () => {
      await link(join(home.cacheDir, hashes.app), home.path('theirs'));
      await warm('other', ['--max-cache-size', String(CAP_BYTES)]);
      expect(await cachedLayers(home)).toEqual([hashes.app, hashes.other].sort());
    });
  },
);

describe.skipIf(process.arch !== 'x64' || !canTrace())('a store of a library, which takes no lock, that is killed', () => {
  it('right behind its link has a layer that counts once, and goes whole', async () => {
    const child = await bundleChild(home.dir);
    const { hash, sizeBytes } = seededContent(40, LAYER_MIB * MIB);
    const store = [child, 'store', home.cacheDir, '40', String(sizeBytes)];
    await killNode(home.dir, store, { call: 'unlink', nth: 1 });
    expect(await cachedLayers(home)).toEqual([hash]);
    expect((await stat(join(home.cacheDir, hash))).nlink).toBe(2);
    await expectCounted();
    await age();
    const before = await diskUsage(home.cacheDir);
    await home.run(['cache', 'prune', '--max-size', '0', '--yes']);
    expect(before - (await diskUsage(home.cacheDir))).toBeGreaterThanOrEqual(LAYER_MIB * MIB);
    expect(await readdir(own('ingest'))).toEqual([]);
  });
});

describe.skipIf(process.arch !== 'x64' || !canTrace())('an eviction that is killed', () => {
  beforeEach(async () => {
    expect((await warm('app')).code).toBe(0);
    await age();
  });

  it('with only the record on its way out leaves the layer to us', async () => {
    await killClipctl(home, ['cache', 'prune', '--max-size', '0', '--yes'], { call: 'rename', nth: 2 });
    expect(await readdir(own('layers'))).toEqual([]);
    expect(await servedBytes(async () => expect((await warm('other')).code).toBe(0))).toBe(0);
    await expectCounted();
    const listed = (await home.run(['cache', 'ls', '--json'])).json<never>() as { layers: { state: string }[] };
    expect(listed.layers.map(({ state }) => state)).toEqual(['verified', 'verified']);
    expect(await left()).toEqual([]);
  });

  it('with the layer on its way out is in the way of none', async () => {
    await killClipctl(home, ['cache', 'prune', '--max-size', '0', '--yes'], { call: 'unlink', nth: 1 });
    expect(await readdir(own('trash'))).toHaveLength(2);
    expect((await warm('other', ['--max-cache-size', String(CAP_BYTES)])).code).toBe(0);
    expect((await expectCounted()).ownBytes).toBeLessThanOrEqual(CAP_BYTES);
    expect(await left()).toEqual([]);
  });
});
