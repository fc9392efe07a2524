/** DESIGN §2 "Resume": a transfer that was stopped goes on in the next command, in another process. RELIABILITY §2 rows 1, 19. */
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type Fault, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeMixedImage, MIXED, servedOf } from './mixed-image.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** Nothing was written for so long: what was sent is decoded. */
const SETTLED_MS = 500;

const STOPS = [
  ['SIGKILL', 137],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

let store: Home;
let images: Record<LayerCompression, MadeLayout>;
let home: Home;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const made = MIXED.map(async (name) => [name, await makeMixedImage(join(store.dir, name), 12 * MIB, [name])] as const);
  images = Object.fromEntries(await Promise.all(made)) as Record<LayerCompression, MadeLayout>;
}, 120_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  const repositories = Object.fromEntries(MIXED.map((name) => [name, images[name].directory]));
  registry = await startLoopbackRegistry({ repositories });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

const layerOf = (name: LayerCompression): MadeLayout['layers'][number] => {
  const [layer] = images[name].layers;
  if (layer === undefined) throw new Error('no layer');
  return layer;
};

/** The first answer with the layer does `fault`; later ones are right. */
function failFirst(name: LayerCompression, fault: Fault): void {
  registry.script = ({ path, count }) => (count === 1 && path.endsWith(layerOf(name).digest) ? fault : undefined);
}

/** Stops `command` by `killSignal` when the registry has sent `bytes` of the layer. */
async function stopAt(
  name: LayerCompression,
  bytes: number,
  { command, killSignal = 'SIGKILL', env = {} }: StopOptions,
): Promise<CliResult> {
  failFirst(name, { stallAt: bytes });
  const stop = new AbortController();
  const running = home.run(command, { signal: stop.signal, killSignal, env });
  while (servedOf(registry, layerOf(name).digest) < bytes) await sleep(10);
  await settled();
  stop.abort();
  return running;
}

/** Until the partial file has stopped growing. */
async function settled(): Promise<void> {
  let last = -1;
  for (let now = await partialBytes(); now === 0 || now !== last; now = await partialBytes()) {
    last = now;
    await sleep(SETTLED_MS);
  }
}

async function partialBytes(): Promise<number> {
  const ingest = join(home.cacheDir, '.clipctl/v1/ingest');
  const names = (await readdir(ingest, { recursive: true })).filter((name) => name.endsWith('/layer'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(ingest, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface StopOptions {
  readonly command: readonly string[];
  readonly killSignal?: NodeJS.Signals;
  readonly env?: Readonly<Record<string, string>>;
}

const warm = (name: LayerCompression, ...flags: string[]): string[] => ['warm', `${registry.host}/${name}:v1`, ...flags];

async function expectWhole(name: LayerCompression): Promise<void> {
  expect(await cachedLayers(home)).toEqual([layerOf(name).diffId.slice('sha256:'.length)]);
  expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
  expect(await leftovers(home)).toEqual([]);
}

interface WarmDocument {
  readonly totals: { readonly downloadedBytes: number; readonly resumedBytes?: number };
}

describe.each(MIXED)('a %s layer', (name) => {
  it.each(name === 'gzip' ? STOPS : STOPS.slice(0, 1))(
    'stopped by %s goes on where it was, in another process',
    async (killSignal, code) => {
      const stopped = await stopAt(name, 6 * MIB, { command: warm(name), killSignal });
      expect(stopped.code).toBe(code);
      if (killSignal !== 'SIGKILL') expect(stopped.stderr).toContain('Run the same command again to resume');
      expect(await cachedLayers(home)).toEqual([]);
      const result = await home.run(warm(name, '--json'));
      expect(result.code, result.stderr).toBe(0);
      const { compressedBytes, digest } = layerOf(name);
      expect(servedOf(registry, digest) - compressedBytes).toBeLessThanOrEqual(2 * MIB);
      const { totals } = result.json<WarmDocument>();
      expect(totals.resumedBytes).toBeGreaterThanOrEqual(4 * MIB);
      expect(totals.downloadedBytes + (totals.resumedBytes ?? 0)).toBe(compressedBytes);
      await expectWhole(name);
      const again = await home.run(warm(name, '--json'));
      expect(again.json<WarmDocument>().totals).toMatchObject({ downloadedBytes: 0 });
      expect(again.json<WarmDocument>().totals).not.toHaveProperty('resumedBytes');
    },
  );

  it('is stopped and resumed again and again, by leases too, and costs little more than once', async () => {
    for (const [turn, at] of [2, 4, 6].entries()) {
      const env = turn % 2 === 0 ? { CLIPCTL_LOCKS: 'lease' } : {};
      registry.script = ({ path }) => (path.endsWith(layerOf(name).digest) ? { bytesPerSecond: 6 * MIB } : undefined);
      const stop = new AbortController();
      const running = home.run(warm(name), { signal: stop.signal, killSignal: 'SIGKILL', env });
      while (servedOf(registry, layerOf(name).digest) < at * MIB) await sleep(10);
      stop.abort();
      expect((await running).code).toBe(137);
    }
    registry.script = undefined;
    const result = await home.run(warm(name));
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout).toMatch(/^resumed: .* kept$/m);
    expect(servedOf(registry, layerOf(name).digest) - layerOf(name).compressedBytes).toBeLessThanOrEqual(3 * 2 * MIB);
    await expectWhole(name);
  });

  it('goes on as an index too, which is the same as one that was never stopped', async () => {
    const index = ['index', `${registry.host}/${name}:v1`, '--warm', '-o', 'one.clip', '--json'];
    await stopAt(name, 6 * MIB, { command: index });
    const result = await home.run(index);
    expect(result.code, result.stderr).toBe(0);
    const [layer] =
      result.json<{ platforms: { layers: { verifiedBy: string; resumedBytes?: number }[] }[] }>().platforms[0]?.layers ?? [];
    expect(layer?.verifiedBy).toBe(name === 'gzip' ? 'diffId' : 'digest+diffId');
    expect(layer?.resumedBytes).toBeGreaterThanOrEqual(4 * MIB);
    await expectWhole(name);
    const whole = await home.run(['index', `${registry.host}/${name}:v1`, '-o', 'two.clip', '--cache-dir', home.path('other')]);
    expect(whole.code, whole.stderr).toBe(0);
    const [one, two] = await Promise.all(['one.clip', 'two.clip'].map((file) => readFile(home.path(file))));
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
  });

  it('that can not be had in part is fetched from the start', async () => {
    await stopAt(name, 6 * MIB, { command: warm(name) });
    registry.script = () => ({ ignoreRange: true });
    const result = await home.run(warm(name, '--json'));
    expect(result.code, result.stderr).toBe(0);
    expect(result.json<WarmDocument>().totals).not.toHaveProperty('resumedBytes');
    await expectWhole(name);
  });

  it('whose partial has a wrong byte is right in the end', async () => {
    await stopAt(name, 6 * MIB, { command: warm(name) });
    const [transfer = ''] = await readdir(join(home.cacheDir, '.clipctl/v1/ingest'));
    const partial = join(home.cacheDir, '.clipctl/v1/ingest', transfer, name === 'zstd' ? 'spool' : 'layer');
    await writeFile(partial, 'wrong', { flag: 'r+' });
    const result = await home.run(warm(name));
    expect(result.code, result.stderr).toBe(0);
    await expectWhole(name);
  });
});

it('a journal with a torn end costs fetching and nothing more', async () => {
  await stopAt('gzip', 6 * MIB, { command: warm('gzip') });
  const ingest = join(home.cacheDir, '.clipctl/v1/ingest');
  const [transfer = ''] = await readdir(ingest);
  const journal = join(ingest, transfer, 'journal');
  await truncate(journal, (await stat(journal)).size - 5);
  const torn = await home.run(warm('gzip', '--json'));
  expect(torn.json<WarmDocument>().totals.resumedBytes).toBeGreaterThan(3 * MIB);
  await expectWhole('gzip');
});

it('a partial file that was cut is not gone on with behind its end', async () => {
  await stopAt('gzip', 6 * MIB, { command: warm('gzip') });
  const ingest = join(home.cacheDir, '.clipctl/v1/ingest');
  const [transfer = ''] = await readdir(ingest);
  await truncate(join(ingest, transfer, 'layer'), 100);
  const result = await home.run(warm('gzip', '--json'));
  expect(result.code, result.stderr).toBe(0);
  expect(result.json<WarmDocument>().totals).not.toHaveProperty('resumedBytes');
  await expectWhole('gzip');
});

it('bytes proven wrong are never kept', async () => {
  registry.script = ({ path }) => (path.endsWith(layerOf('gzip').digest) ? { flipAt: 3 * MIB } : undefined);
  const result = await home.run(warm('gzip'));
  expect(result.code).toBe(7);
  expect(await cachedLayers(home)).toEqual([]);
  expect(await leftovers(home)).toEqual([]);
});
