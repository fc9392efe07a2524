/** RELIABILITY §2 rows 4 and 6 with the numbers of the rows: a layer of 1 GiB that is cut again and again, stalls of 30 s. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedLayers, leftovers } from '../e2e/cache-state.ts';
import { makeMixedImage, servedOf } from '../e2e/mixed-image.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry, type RecordedRequest } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What a cut may have sent and nobody has read, of each answer. */
const OVERHEAD_BYTES = 16 * KIB;
const HANG_MS = 1_200_000;

let store: Home;
let image: MadeLayout;
let registry: LoopbackRegistry;
beforeAll(async () => {
  store = await makeHome();
  image = await makeMixedImage(join(store.dir, 'image'), 1024 * MIB, ['none']);
  registry = await startLoopbackRegistry({ repositories: { 'lab/large': image.directory } });
}, 600_000);
afterAll(async () => {
  await registry.close();
  await store.remove();
});

const startOf = ({ headers }: RecordedRequest): number => Number(/^bytes=(\d+)-/.exec(String(headers['range']))?.[1] ?? 0);

describe('row 4: a layer of 1 GiB whose connection is cut', () => {
  it.each([64 * KIB, MIB, 16 * MIB])(
    'every %i bytes comes: size x 1.02 + N at most, each time from the right offset, held to its validator',
    async (cutAt) => {
      const home = await makeHome();
      const { digest = '', diffId = '', compressedBytes = 0 } = image.layers[0] ?? {};
      const before = registry.requests.length;
      const servedBefore = servedOf(registry, digest);
      registry.script = ({ path }) => (path.endsWith(digest) ? { cutAt } : undefined);
      const startedAtMs = performance.now();
      const result = await home.run(['warm', `${registry.host}/lab/large:v1`, '--json', '-q'], { hangMs: HANG_MS });
      const tookMs = performance.now() - startedAtMs;
      expect(result.code, result.stderr.slice(-2000)).toBe(0);
      expect(await cachedLayers(home)).toEqual([diffId.slice('sha256:'.length)]);
      expect(await leftovers(home)).toEqual([]);
      const seen = registry.requests.slice(before).filter(({ path }) => path.endsWith(digest));
      const servedBytes = servedOf(registry, digest) - servedBefore;
      expect(servedBytes).toBeLessThanOrEqual(compressedBytes * 1.02 + seen.length * OVERHEAD_BYTES);
      const ends = new Set(seen.map((request) => startOf(request) + request.bytesServed));
      expect(seen.slice(1).filter((request) => !ends.has(startOf(request)) && startOf(request) % MIB !== 0)).toEqual([]);
      expect(new Set(seen.slice(1).map(({ headers }) => headers['if-range']))).toEqual(new Set([`"${digest}"`]));
      const { retries } = result.json<{ totals: { retries: number } }>().totals;
      const share = ((servedBytes / compressedBytes) * 100).toFixed(2);
      console.log(
        `cut every ${cutAt / KIB} KiB: ${seen.length} requests, ${retries} retries, ${share} % served, ${Math.round(tookMs)} ms`,
      );
      await home.remove();
    },
    HANG_MS,
  );
});

describe('row 6: with the timeouts that nobody has set', () => {
  it(
    '0 B/s in the middle is left after 30 s, and the layer goes on from there',
    async () => {
      const home = await makeHome();
      const { digest = '' } = image.layers[0] ?? {};
      let requests = 0;
      registry.script = ({ path }) => (path.endsWith(digest) && requests++ === 0 ? { stallAt: MIB } : undefined);
      const startedAtMs = performance.now();
      const result = await home.run(['warm', `${registry.host}/lab/large:v1`, '--json'], { hangMs: HANG_MS });
      expect(result.code, result.stderr.slice(-2000)).toBe(0);
      expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(29_000);
      await home.remove();
    },
    HANG_MS,
  );

  it(
    '1 byte each 10 s, for ever, is exit 6 after 120 s',
    async () => {
      const home = await makeHome();
      const { digest = '' } = image.layers[0] ?? {};
      registry.script = ({ path }) => (path.endsWith(digest) ? { trickleAt: 0, trickleMs: 10_000 } : undefined);
      const startedAtMs = performance.now();
      const result = await home.run(['warm', `${registry.host}/lab/large:v1`, '--json', '--retries', '100'], { hangMs: HANG_MS });
      const tookMs = performance.now() - startedAtMs;
      expect([result.code, result.json().error?.code]).toEqual([6, 'TIMEOUT']);
      expect(tookMs).toBeGreaterThanOrEqual(119_000);
      // A bound against hangs.
      expect(tookMs).toBeLessThan(360_000);
      console.log(`1 byte each 10 s: given up after ${Math.round(tookMs / 1000)} s`);
      await home.remove();
    },
    HANG_MS,
  );
});
