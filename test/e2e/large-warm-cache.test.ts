/** A warm cache is recognised by its records: nothing is hashed, whatever its size. RELIABILITY §2 row 15, "default warm". */
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeSparseCache, type SparseImage } from '../cache/sparse-cache.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeHome, type Home } from './run-cli.ts';

const LAYERS = 33;
const BYTES = 17 * 1024 ** 3;
/** Three times the 300 ms it should take is less than what a busy machine may need: this is a bound against hangs. */
const HANG_MS = 3_000;

let home: Home;
let image: SparseImage;
let registry: LoopbackRegistry;
beforeEach(async () => {
  home = await makeHome();
  image = await makeSparseCache(home.cacheDir, home.path('image'), { layers: LAYERS, bytes: BYTES });
  registry = await startLoopbackRegistry({ repositories: { app: image.layout } });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

interface Warmed {
  readonly images: readonly { readonly layers: readonly { readonly servedBy: string }[] }[];
  readonly totals: { readonly uncompressedBytes: number; readonly downloadedBytes: number };
}

it('33 layers of 17 GiB are warm without hashing a byte or asking for a layer, again with one request', async () => {
  const name = `${registry.host}/app:v1`;
  for (const requests of [2, 1]) {
    const before = registry.requests.length;
    const startedAt = performance.now();
    const result = await home.run(['warm', name, '--json']);
    const tookMs = performance.now() - startedAt;
    expect(result.code, result.stderr).toBe(0);
    const { images, totals } = result.json<Warmed>();
    expect(images[0]?.layers.map(({ servedBy }) => servedBy)).toEqual(Array.from({ length: LAYERS }, () => 'disk'));
    expect(totals).toMatchObject({ uncompressedBytes: Math.floor(BYTES / LAYERS) * LAYERS, downloadedBytes: 0 });
    expect(registry.requests.length - before).toBe(requests);
    expect(tookMs).toBeLessThan(HANG_MS);
  }
});

it('inspect --check-warm and a quick verify take the records too, and a full one of a single layer finds it wrong', async () => {
  expect((await home.run(['inspect', `${registry.host}/app:v1`, '--check-warm'])).code).toBe(0);
  expect((await home.run(['cache', 'verify'])).code).toBe(0);
  const [first = ''] = image.layers.map(({ diffId }) => diffId.slice('sha256:'.length));
  const part = (Number.parseInt(first.slice(0, 8), 16) % 1000) + 1;
  const full = await home.run(['cache', 'verify', '--full', '--subset', `${part}/1000`, '--json']);
  expect([full.code, full.json<{ corrupt: { diffId: string }[] }>().corrupt]).toMatchObject([7, [{ diffId: `sha256:${first}` }]]);
});

it('cache du counts disk blocks, as du does, not sizes', async () => {
  const { totalBytes, ownBytes } = (await home.run(['cache', 'du', '--json'])).json<{ totalBytes: number; ownBytes: number }>();
  const du = Number.parseInt(execFileSync('du', ['-s', '--block-size=1', home.cacheDir], { encoding: 'utf8' }), 10);
  expect(Math.abs(totalBytes - du) / du).toBeLessThan(0.01);
  expect(ownBytes).toBeLessThan(16 * 1024 ** 2);
});
