/** RELIABILITY §1.3 row 20, `--shared`: what one member of a group has made, the others use, go on with, replace and remove. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers } from './cache-state.ts';
import { ageLayers, makeGroup, namesWithModes, type Group, type Member } from './group.ts';
import { makeHome, type CliResult, type Home, type RunOptions } from './run-cli.ts';

const MIB = 1024 * 1024;
const SMALL_LAYERS = 6;
const RECENT_MS = 60_000;

let store: Home;
let large: MadeLayout;
let spooled: MadeLayout;
let small: MadeLayout;
let group: Group;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const files = (seed: number, bytes: number): Record<string, Buffer> => ({
    'a.bin': seededContent(seed, bytes).slice(0, bytes),
  });
  large = await makeLayout(store.path('large'), [{ files: files(1, 4 * MIB) }]);
  spooled = await makeLayout(store.path('spooled'), [{ files: files(2, 4 * MIB), compression: 'zstd' }]);
  const layers = Array.from({ length: SMALL_LAYERS }, (_, at) => ({ files: files(10 + at, MIB) }));
  small = await makeLayout(store.path('small'), layers);
}, 60_000);
afterAll(() => store.remove());

const blobs = (of: MadeLayout): LoopbackRegistry['requests'] =>
  registry.requests.filter(({ path }) => of.layers.some(({ digest }) => path.endsWith(digest)));

async function until(condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > 20_000) throw new Error('it does not happen');
    await sleep(10);
  }
}

/** The first answer with the layer stops in the middle; later ones are whole. */
function stallFirst(of: MadeLayout): void {
  registry.script = ({ path }) =>
    of.layers.some(({ digest }) => path.endsWith(digest)) && blobs(of).length === 1 ? { stallAt: 2 * MIB } : undefined;
}

async function present(): Promise<string[]> {
  return cachedLayers({ cacheDir: group.cacheDir });
}

const left = async (...folders: string[]): Promise<string[]> =>
  (await Promise.all(folders.map((folder) => readdir(join(group.cacheDir, '.clipctl/v1', folder))))).flat();

describe.skipIf(process.getuid?.() !== 0).each([
  ['022', 'auto', undefined],
  ['002', 'auto', undefined],
  ['077', 'auto', undefined],
  ['022', 'lease', undefined],
  ['002', 'lease', undefined],
  ['022', 'auto', '2770'],
  ['077', 'lease', '2770'],
] as const)(
  '§1.3 row 20: two members of a group, with umask %s and locks %s, in a directory of mode %s',
  (umask, locks, made) => {
    beforeEach(async () => {
      group = await makeGroup(Number.parseInt(umask, 8), made && Number.parseInt(made, 8));
      registry = await startLoopbackRegistry({
        repositories: { large: large.directory, spooled: spooled.directory, small: small.directory },
      });
    });
    afterEach(async () => {
      await registry.close();
      await group.remove();
    });

    const run = (member: Member, args: readonly string[], options: RunOptions = {}): Promise<CliResult> =>
      group.run(member, args, { ...options, env: { CLIPCTL_LOCKS: locks } });
    const warm = (member: Member, image: string, options?: RunOptions): Promise<CliResult> =>
      run(member, ['warm', `${registry.host}/${image}:v1`, '--progress', 'plain'], options);
    const succeed = async (member: Member, ...args: readonly string[]): Promise<CliResult> => {
      const result = await run(member, args);
      expect(result.code, result.stderr).toBe(0);
      return result;
    };

    it('warm one image at once: each byte comes once, whoever makes the directory, and what is made is the group’s', async () => {
      const results = await Promise.all([warm('ann', 'small'), warm('bob', 'small'), warm('ann', 'small'), warm('bob', 'small')]);
      for (const { code, stderr } of results) expect(code, stderr).toBe(0);
      expect(blobs(small).length).toBe(SMALL_LAYERS);
      expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
      expect(await left('ingest', 'locks', 'leases')).toEqual([]);
      const { directories, files } = await namesWithModes(group.cacheDir);
      expect(directories.filter(({ mode }) => mode !== (made ?? '2775'))).toEqual([]);
      const allowed = new Set(made === '2770' ? ['660', '640', '440'] : ['664', '644', '444']);
      expect(files.filter(({ mode }) => !allowed.has(mode))).toEqual([]);
      expect((await readdir(join(group.cacheDir, '..'))).length).toBe(1);
    });

    it.each([
      ['large', 'SIGKILL'],
      ['spooled', 'SIGKILL'],
      ['large', 'SIGINT'],
      ['spooled', 'SIGINT'],
    ] as const)(
      'one waits for %s of the other, takes over within 2 seconds of its %s, and goes on with what it brought',
      async (name, killSignal) => {
        const image = name === 'large' ? large : spooled;
        stallFirst(image);
        const stop = new AbortController();
        const holder = warm('ann', name, { signal: stop.signal, killSignal });
        await until(() => (blobs(image)[0]?.bytesServed ?? 0) >= 2 * MIB);
        const waiter = warm('bob', name);
        await sleep(1500);
        expect(blobs(image).length).toBe(1);
        stop.abort();
        const stoppedMs = performance.now();
        await until(() => blobs(image).length > 1);
        // A signal leaves time to tidy up first.
        if (killSignal === 'SIGKILL') expect(performance.now() - stoppedMs).toBeLessThan(2000);
        await holder;
        const { code, stderr } = await waiter;
        expect(code, stderr).toBe(0);
        expect(stderr).toMatch(/waiting: lock pid \d+ \(clipctl warm\) on /);
        expect(Number(/^bytes=(\d+)-/.exec(String(blobs(image)[1]?.headers['range']))?.[1])).toBeGreaterThanOrEqual(MIB);
        expect(await left('ingest', 'locks')).toEqual([]);
        expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
      },
    );

    it('evict what the other brought, in turns, and make room of it', async () => {
      for (const member of ['ann', 'bob', 'ann'] as const) {
        const other = member === 'ann' ? 'bob' : 'ann';
        expect((await warm(member, 'small')).code).toBe(0);
        await ageLayers(group.cacheDir);
        await succeed(other, 'cache', 'prune', '--max-size', '0', '--yes');
        expect(await present()).toEqual([]);
      }
      expect((await warm('ann', 'small')).code).toBe(0);
      await ageLayers(group.cacheDir);
      await succeed('bob', 'warm', `${registry.host}/large:v1`, '--max-cache-size', '6MiB');
      expect((await present()).length).toBeLessThan(SMALL_LAYERS);
      expect(await left('trash', 'ingest', 'locks')).toEqual([]);
    });

    it('note the uses of what the other brought: it is not evicted a moment later', async () => {
      expect((await warm('ann', 'small')).code).toBe(0);
      await ageLayers(group.cacheDir);
      expect((await warm('bob', 'small')).code).toBe(0);
      const { layers } = JSON.parse((await succeed('ann', 'cache', 'ls', '--json')).stdout) as {
        layers: { lastUsed: string }[];
      };
      for (const { lastUsed } of layers) expect(Date.now() - Date.parse(lastUsed)).toBeLessThan(RECENT_MS);
      await succeed('ann', 'cache', 'prune', '--max-size', '0', '--yes');
      expect((await present()).length).toBe(SMALL_LAYERS);
    });

    it('pin, unpin, index, verify and repair what the other made', async () => {
      const name = `${registry.host}/small:v1`;
      await succeed('ann', 'index', name, '-o', group.home.path('ann/a.clip'));
      await succeed('ann', 'warm', name);
      await succeed('ann', 'cache', 'pin', name);
      await succeed('bob', 'index', name, '-o', group.home.path('bob/a.clip'));
      await succeed('bob', 'cache', 'pin', name);
      await succeed('bob', 'cache', 'unpin', name);
      expect(await left('pins')).toEqual([]);
      const [layer = ''] = await present();
      await writeFile(join(group.cacheDir, layer), 'damage');
      await succeed('bob', 'cache', 'repair');
      expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
      await succeed('ann', 'cache', 'verify', '--full');
      expect((await readFile(group.home.path('ann/a.clip'))).equals(await readFile(group.home.path('bob/a.clip')))).toBe(true);
    });

    it('are not stopped by what one of them left and the other may not remove', async () => {
      expect((await warm('ann', 'small')).code).toBe(0);
      const [layer] = large.layers;
      const hash = String(layer?.diffId).replace('sha256:', '');
      for (const name of [`${hash}.${'0'.repeat(32)}`, `${await present().then(([first]) => first)}.${'1'.repeat(32)}`]) {
        const theirs = join(group.cacheDir, '.clipctl/v1/ingest', name);
        await mkdir(theirs, { mode: 0o700 });
        await writeFile(join(theirs, 'journal'), '');
        await writeFile(join(theirs, 'layer'), '');
      }
      for (const image of ['large', 'small']) {
        const { code, stderr } = await warm('bob', image);
        expect(code, stderr).toBe(0);
      }
      expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
    });
  },
);
