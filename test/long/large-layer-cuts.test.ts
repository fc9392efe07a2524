/** RELIABILITY §2 row 4 at its size: a layer of 1 GiB whose connections are cut. Of a small one: test/e2e/broken-connections.test.ts. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedLayers, leftovers } from '../e2e/cache-state.ts';
import { makeMixedImage, servedOf } from '../e2e/mixed-image.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry, type RecordedRequest } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** In the buffers of a connection: what nobody has read when it breaks. */
const UNREAD_BYTES = 256 * KIB;
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

/** Exclusive, of what was asked for. */
const endOf = ({ headers }: RecordedRequest): number => Number(/-(\d+)$/.exec(String(headers['range']))?.[1] ?? Infinity) + 1;

describe('row 4: a layer of 1 GiB whose connection is cut', () => {
  it.each([64 * KIB, MIB, 16 * MIB])(
    'after each %i bytes comes: size x 1.02 + as much at most, each time from the right offset, held to its validator',
    async (cutAt) => {
      const home = await makeHome();
      const { digest = '', diffId = '', compressedBytes = 0 } = image.layers[0] ?? {};
      const before = registry.requests.length;
      const servedBefore = servedOf(registry, digest);
      registry.script = ({ path }) => (path.endsWith(digest) ? { cutConnectionAt: cutAt } : undefined);
      const startedAtMs = performance.now();
      const result = await home.run(['warm', `${registry.host}/lab/large:v1`, '--json', '-q'], { hangMs: HANG_MS });
      const tookMs = performance.now() - startedAtMs;
      expect(result.code, result.stderr.slice(-2000)).toBe(0);
      expect(await cachedLayers(home)).toEqual([diffId.slice('sha256:'.length)]);
      expect(await leftovers(home)).toEqual([]);
      const seen = registry.requests.slice(before).filter(({ path }) => path.endsWith(digest));
      const servedBytes = servedOf(registry, digest) - servedBefore;
      expect(servedBytes).toBeLessThanOrEqual(compressedBytes * 1.02 + cutAt);
      // Where an answer was cut another begins, or a little before: what nobody had read yet is lost with the connection.
      const starts = seen.map(startOf).toSorted((a, b) => a - b);
      const goesOn = (end: number): boolean => starts.some((start) => start <= end && start > end - UNREAD_BYTES);
      const stopOf = (request: RecordedRequest): number => startOf(request) + request.bytesServed;
      const cuts = seen.filter((request) => stopOf(request) < Math.min(endOf(request), compressedBytes));
      expect(cuts.length).toBeGreaterThan(compressedBytes / cutAt / 2);
      expect(cuts.filter((request) => !goesOn(stopOf(request)))).toEqual([]);
      expect(new Set(seen.slice(1).map(({ headers }) => headers['if-range']))).toEqual(new Set([`"${digest}"`]));
      const { retries } = result.json<{ totals: { retries: number } }>().totals;
      const share = ((servedBytes / compressedBytes) * 100).toFixed(2);
      console.log(
        `cut every ${cutAt / KIB} KiB: ${seen.length} requests, ${cuts.length} cut, ${retries} retries, ${share} % served, ${Math.round(tookMs)} ms`,
      );
      await home.remove();
    },
    HANG_MS,
  );
});
