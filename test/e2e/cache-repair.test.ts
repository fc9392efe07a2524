/** RELIABILITY §2 rows 14, 15: `cache repair` beside others, and beside files that clipctl did not put there. */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { check, readSchema } from '../cli/json-schema.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
const FOREIGN = 'a1'.repeat(32);

let store: Home;
/** Each of one layer, in the order of their diffIDs: `repair` takes them in that order. */
let first: MadeLayout;
let second: MadeLayout;
let home: Home;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const images = await Promise.all(
    [1, 2].map((seed) =>
      makeLayout(join(store.dir, `image${seed}`), [{ files: { 'a.bin': seededContent(seed, 2 * MIB).slice(0, 2 * MIB) } }]),
    ),
  );
  const [one, other] = images.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  if (one === undefined || other === undefined) throw new Error('two images were made');
  first = one;
  second = other;
}, 60_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({ repositories: { first: first.directory, second: second.directory } });
  expect((await home.run(['warm', refOf('first'), refOf('second')])).code).toBe(0);
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

interface Mended {
  readonly corrupt: readonly { diffId: string; reason: string }[];
  readonly missing: readonly unknown[];
  readonly unverified: readonly string[];
  readonly repaired: readonly { diffId: string; by: string }[];
  readonly warnings: readonly string[];
}

const refOf = (repository: 'first' | 'second'): string => `${registry.host}/${repository}:v1`;
const nameOf = (image: MadeLayout): string => image.layers[0]?.diffId.slice('sha256:'.length) ?? '';
const pathOf = (image: MadeLayout): string => join(home.cacheDir, nameOf(image));

async function spoil(image: MadeLayout): Promise<void> {
  await chmod(pathOf(image), 0o644);
  const content = await readFile(pathOf(image));
  content[3000] = (content[3000] ?? 0) ^ 1;
  await writeFile(pathOf(image), content);
}

async function repair(...flags: string[]): Promise<CliResult> {
  const result = await home.run(['cache', 'repair', '--json', ...flags]);
  expect(check(result.json(), readSchema('cache-verify'))).toEqual([]);
  return result;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > 20_000) throw new Error('it does not happen');
    await sleep(10);
  }
}

/** Requests of the layer of an image, after so many. */
const requestsOf = ({ layers: [layer] }: MadeLayout): typeof registry.requests =>
  registry.requests.filter(({ path }) => path.endsWith(layer?.digest ?? '-'));

describe('cache repair', () => {
  it('leaves a layer alone that another process has brought since it was judged', async () => {
    await spoil(first);
    await spoil(second);
    // A warm that stands still has the lock of the first layer, so repair, which has judged both, waits for it.
    registry.script = ({ path }) => (path.endsWith(first.layers[0]?.digest ?? '-') ? { stallAt: MIB } : undefined);
    const stop = new AbortController();
    const holder = home.run(['warm', refOf('first')], { signal: stop.signal, killSignal: 'SIGKILL' });
    await until(() => requestsOf(first).length === 2);
    const mending = home.run(['cache', 'repair', '--offline', '--json', '--progress', 'plain']);
    const record = join(home.cacheDir, '.clipctl/v1/layers', `${nameOf(second)}.json`);
    await until(async () => (JSON.parse(await readFile(record, 'utf8')) as { inode: number }).inode === 0);
    expect((await home.run(['warm', refOf('second')])).code).toBe(0);
    stop.abort();
    await holder;
    const { code, stderr, ...mended } = await mending;
    const result = mended.json<Mended>();
    expect([code, result.corrupt, result.repaired]).toEqual([0, [], [{ diffId: `sha256:${nameOf(first)}`, by: 'dropped' }]]);
    expect(stderr).toMatch(/waiting: lock pid \d+ \(clipctl warm\)/);
    expect((await home.run(['inspect', refOf('second'), '--check-warm'])).code).toBe(0);
    expect(await cachedLayers(home)).toEqual([nameOf(second)]);
  });

  it('three at once fetch each bad layer once', async () => {
    await spoil(first);
    await spoil(second);
    registry.script = ({ path }) => (path.includes('/blobs/') ? { bytesPerSecond: 4 * MIB } : undefined);
    const before = registry.bytesServed;
    const results = await Promise.all([repair(), repair(), repair()]);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    const mended = results.flatMap((each) => each.json<Mended>().repaired);
    expect(mended.map(({ diffId, by }) => [diffId.slice(7), by]).toSorted()).toEqual([
      [nameOf(first), 'fetched'],
      [nameOf(second), 'fetched'],
    ]);
    expect([requestsOf(first).length, requestsOf(second).length]).toEqual([2, 2]);
    const layerBytes = [first, second].reduce((sum, { layers }) => sum + (layers[0]?.compressedBytes ?? 0), 0);
    // Beside the layers: manifests and configs.
    expect(registry.bytesServed - before - layerBytes).toBeLessThan(64 * 1024);
    expect([await wrongFilesIn(home.cacheDir), await leftovers(home)]).toEqual([[], []]);
  });
});

describe('what has the name of a layer, and no record', () => {
  const foreign = (): string => join(home.cacheDir, FOREIGN);
  const LEFT = /^left alone, since clipctl did not put it there: /;

  it('is unverified for a quick verify, bad for a full one, and stays in a full repair, exit 7, with one warning', async () => {
    await writeFile(foreign(), 'mine');
    await writeFile(join(home.cacheDir, 'b2'.repeat(32)), 'mine too');
    const quick = await repair();
    expect([quick.code, quick.json<Mended>().unverified.length]).toEqual([0, 2]);
    const full = await repair('--full');
    const { corrupt, repaired, warnings } = full.json<Mended>();
    expect([full.code, repaired, corrupt.map(({ reason }) => reason)]).toEqual([7, [], ['content', 'content']]);
    expect(warnings).toEqual([expect.stringMatching(LEFT)]);
    expect(warnings[0]).toContain(`${foreign()} and 1 more`);
    expect(await readFile(foreign(), 'utf8')).toBe('mine');
  });

  it('a link stays where it is and is named, exit 7, while a layer of ours is mended', async () => {
    await writeFile(home.path('precious'), 'mine');
    await symlink(home.path('precious'), foreign());
    await truncate(pathOf(first), 7);
    const result = await repair();
    const { corrupt, repaired, warnings } = result.json<Mended>();
    expect([result.code, repaired.map(({ by }) => by), corrupt]).toMatchObject([7, ['fetched'], [{ reason: 'no-file' }]]);
    expect(warnings).toEqual([expect.stringMatching(LEFT)]);
    expect([await readlink(foreign()), await readFile(home.path('precious'), 'utf8')]).toEqual([home.path('precious'), 'mine']);
  });

  it('that has the content of its name becomes a layer of ours', async () => {
    const content = 'a layer of Go CLIP';
    const name = createHash('sha256').update(content).digest('hex');
    await writeFile(join(home.cacheDir, name), content);
    const result = await repair('--full');
    expect([result.code, result.json<Mended>().corrupt]).toEqual([0, []]);
    expect(await cachedLayers(home)).toContain(name);
  });

  it('where a warmed image needs that very layer, it is replaced when the image can bring it, else left', async () => {
    await rm(join(home.cacheDir, '.clipctl/v1/layers', `${nameOf(first)}.json`));
    await spoil(first);
    const offline = await repair('--full', '--offline');
    expect([offline.code, offline.json<Mended>().repaired]).toEqual([7, []]);
    expect(offline.json<Mended>().warnings).toEqual([expect.stringContaining('could not be replaced')]);
    expect((await lstat(pathOf(first))).mode & 0o777).toBe(0o644);
    const online = await repair('--full');
    expect([online.code, online.json<Mended>().repaired]).toMatchObject([
      0,
      [{ by: 'fetched', diffId: `sha256:${nameOf(first)}` }],
    ]);
    expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
  });

  it('a directory stays, be it that an image needs the layer, and nothing is fetched', async () => {
    await rm(pathOf(first));
    await rm(join(home.cacheDir, '.clipctl/v1/layers', `${nameOf(first)}.json`));
    await mkdir(pathOf(first));
    const before = requestsOf(first).length;
    const result = await repair();
    expect([result.code, result.json<Mended>().warnings]).toEqual([7, [expect.stringContaining('is not a regular file')]]);
    expect([(await lstat(pathOf(first))).isDirectory(), requestsOf(first).length]).toEqual([true, before]);
  });
});

describe('a layer that was found wrong', () => {
  it('stays one of ours, and repair takes it away where nothing can bring it again', async () => {
    await spoil(first);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(7);
    const result = await repair('--offline');
    expect([result.code, result.json<Mended>().repaired.map(({ by }) => by)]).toEqual([0, ['dropped']]);
    expect(await cachedLayers(home)).toEqual([nameOf(second)]);
  });
});
