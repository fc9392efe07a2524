/** With an index a layer comes by parallel ranges and is decompressed on all cores; nobody sees a difference but the time. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { servedOf } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** What was sent is written after so long. */
const SETTLED_MS = 1500;
const COMPRESSIONS: readonly LayerCompression[] = ['gzip', 'zstd', 'none'];

let store: Home;
let images: Record<LayerCompression, MadeLayout>;
let home: Home;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const made = await Promise.all(
    COMPRESSIONS.map(async (compression) => {
      const files = { 'a.bin': noise(30 * 1024 * 1024, compression.length), 'b.txt': 'the end\n' };
      return [compression, await makeLayout(join(store.dir, compression), [{ files, compression }])] as const;
    }),
  );
  images = Object.fromEntries(made) as Record<LayerCompression, MadeLayout>;
}, 120_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({
    repositories: Object.fromEntries(COMPRESSIONS.map((name) => [name, images[name].directory])),
  });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

/** Bytes that compress to some two thirds. */
function noise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let state = seed;
  for (let at = 0; at < sizeBytes; at += 4)
    bytes.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) & 0x3f7f3f7f, at);
  return bytes;
}

async function index(name: LayerCompression): Promise<string> {
  const result = await home.run(['index', `${registry.host}/${name}:v1`, '-o', 'image.clip']);
  expect(result.code, result.stderr).toBe(0);
  return 'image.clip';
}

const rangesOf = (name: LayerCompression): (string | string[] | undefined)[] =>
  registry.requests
    .filter(({ path }) => path.endsWith(images[name].layers[0]?.digest ?? '-'))
    .map(({ headers }) => headers['range']);

type Stop = readonly [killSignal: NodeJS.Signals, code: number];

const warmBy = (clip: string): string[] => ['warm', clip, '--jobs', '2'];

/** Stops the command once nothing is served any more; gives what was served of the layer by then. */
async function stopWhenStill(digest: string, command: readonly string[], [killSignal, code]: Stop): Promise<number> {
  const stop = new AbortController();
  const atFirst = registry.bytesServed;
  const running = home.run(command, { signal: stop.signal, killSignal });
  for (let last = -1; registry.bytesServed < atFirst + 4 * MIB || registry.bytesServed !== last;) {
    last = registry.bytesServed;
    await sleep(SETTLED_MS);
  }
  stop.abort();
  expect((await running).code).toBe(code);
  return servedOf(registry, digest);
}

async function expectRight(name: LayerCompression): Promise<void> {
  const hash = images[name].layers[0]?.diffId.slice('sha256:'.length) ?? '';
  expect(await cachedLayers(home)).toEqual([hash]);
  expect(
    createHash('sha256')
      .update(await readFile(join(home.cacheDir, hash)))
      .digest('hex'),
  ).toBe(hash);
  expect(await leftovers(home)).toEqual([]);
}

describe.each(COMPRESSIONS)('a %s layer', (name) => {
  it('of which a killed run without an index has a part is gone on with, also with one', async () => {
    const clip = await index(name);
    await rm(home.cacheDir, { recursive: true, force: true });
    const { digest = '', compressedBytes = 0 } = images[name].layers[0] ?? {};
    const before = servedOf(registry, digest);
    // A slow machine reads it by pieces, which stand still too.
    registry.script = ({ path, headers }) =>
      path.endsWith(digest) ? { stallAt: /^bytes=[1-9]/.test(String(headers['range'])) ? MIB : 10 * MIB } : undefined;
    const broughtBytes = (await stopWhenStill(digest, ['warm', `${registry.host}/${name}:v1`], ['SIGKILL', 137])) - before;
    registry.script = undefined;
    const result = await home.run(['warm', clip, '--jobs', '2', '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(result.json<{ totals: { resumedBytes?: number } }>().totals.resumedBytes).toBeGreaterThanOrEqual(
      broughtBytes - 2 * MIB,
    );
    expect(servedOf(registry, digest) - before - compressedBytes).toBeLessThanOrEqual(2 * MIB);
    await expectRight(name);
  });

  it.each([
    ['SIGKILL', 137],
    ['SIGINT', 130],
  ] as const)('§2 row 1: stopped by %s in parallel ranges goes on with all of them', async (killSignal, code) => {
    const clip = await index(name);
    await rm(home.cacheDir, { recursive: true, force: true });
    const { digest = '', compressedBytes = 0 } = images[name].layers[0] ?? {};
    const before = servedOf(registry, digest);
    // The first run comes whole, the others stand still.
    registry.script = ({ path, headers }) =>
      path.endsWith(digest) && !String(headers['range']).startsWith('bytes=0-') ? { stallAt: 3 * MIB } : undefined;
    const broughtBytes = (await stopWhenStill(digest, warmBy(clip), [killSignal, code])) - before;
    registry.script = undefined;
    const result = await home.run([...warmBy(clip), '--json']);
    expect(result.code, result.stderr).toBe(0);
    const { resumedBytes = 0 } = result.json<{ totals: { resumedBytes?: number } }>().totals;
    expect(resumedBytes).toBeGreaterThanOrEqual(broughtBytes - MIB);
    expect(servedOf(registry, digest) - before - compressedBytes).toBeLessThanOrEqual(MIB);
    await expectRight(name);
  });

  it('whose stopped ranges left a wrong byte is right in the end', async () => {
    const clip = await index(name);
    await rm(home.cacheDir, { recursive: true, force: true });
    const { digest = '' } = images[name].layers[0] ?? {};
    registry.script = ({ path, headers }) =>
      path.endsWith(digest) && !String(headers['range']).startsWith('bytes=0-') ? { stallAt: 3 * MIB } : undefined;
    await stopWhenStill(digest, warmBy(clip), ['SIGKILL', 137]);
    registry.script = undefined;
    const [transfer = ''] = await readdir(join(home.cacheDir, '.clipctl/v1/ingest'));
    await writeFile(join(home.cacheDir, '.clipctl/v1/ingest', transfer, 'layer'), 'wrong', { flag: 'r+' });
    const result = await home.run(warmBy(clip));
    expect(result.code, result.stderr).toBe(0);
    await expectRight(name);
  });

  it('comes by ranges, every byte once, and is right', async () => {
    const clip = await index(name);
    const result = await home.run(['warm', clip, '--jobs', '2', '--json']);
    expect(result.code, result.stderr).toBe(0);
    const ranges = rangesOf(name).slice(1);
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges.every((range) => /^bytes=\d+-\d+$/.test(String(range)))).toBe(true);
    const document = result.json<{ totals: { downloadedBytes: number }; peakBufferedBytes: number }>();
    const compressedBytes = images[name].layers[0]?.compressedBytes ?? 0;
    // A checkpoint inside a byte makes both its runs fetch that byte.
    expect(document.totals.downloadedBytes - compressedBytes).toBeLessThan(ranges.length);
    expect(document.totals.downloadedBytes).toBeGreaterThanOrEqual(compressedBytes);
    expect(document.peakBufferedBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    await expectRight(name);
  });
});

it('a server that knows no ranges is asked for the whole layer instead', async () => {
  const clip = await index('gzip');
  registry.script = ({ headers }) => (headers['range'] === undefined ? undefined : { status: 416 });
  const result = await home.run(['warm', clip, '--jobs', '2']);
  expect(result.code, result.stderr).toBe(0);
  expect(rangesOf('gzip').at(-1)).toBeUndefined();
  await expectRight('gzip');
});

it('wrong bytes in a range are not taken: one stream heals, or says what is wrong', async () => {
  const clip = await index('gzip');
  registry.script = ({ headers, path }) =>
    path.includes('/blobs/') && headers['range'] !== undefined ? { flipAt: 5000 } : undefined;
  const healed = await home.run(['warm', clip, '--jobs', '2']);
  expect(healed.code, healed.stderr).toBe(0);
  await expectRight('gzip');
  await rm(home.cacheDir, { recursive: true });
  registry.script = ({ path }) => (path.includes('/blobs/') ? { flipAt: 5000 } : undefined);
  const refused = await home.run(['warm', clip, '--jobs', '2']);
  expect(refused.code).toBe(7);
  expect(await cachedLayers(home)).toEqual([]);
  expect(await leftovers(home)).toEqual([]);
});

it('addresses that are refused with 403 where the registry sent us on to are asked for afresh, one for each range', async () => {
  await registry.close();
  registry = await startLoopbackRegistry({ repositories: { gzip: images.gzip.directory }, redirectBlobs: true });
  const clip = await index('gzip');
  await rm(home.cacheDir, { recursive: true, force: true });
  const { digest = '', compressedBytes = 0 } = images.gzip.layers[0] ?? {};
  const refused = new Set<unknown>();
  registry.script = ({ path, server, headers }) => {
    const { range } = headers;
    if (server !== 'storage' || !path.endsWith(digest) || refused.has(range)) return undefined;
    refused.add(range);
    return { status: 403, body: 'Request has expired' };
  };
  const before = { bytes: servedOf(registry, digest), requests: registry.requests.length };
  const result = await home.run([...warmBy(clip), '--json']);
  expect(result.code, result.stderr).toBe(0);
  const asked = registry.requests.slice(before.requests).filter(({ path }) => path.endsWith(digest));
  expect(refused.size).toBeGreaterThanOrEqual(2);
  expect(asked.filter(({ server }) => server === 'registry')).toHaveLength(2 * refused.size);
  // A checkpoint stands inside a byte, which both of its neighbours read.
  expect(servedOf(registry, digest) - before.bytes).toBeLessThanOrEqual(compressedBytes + refused.size);
  await expectRight('gzip');
});
