/**
 * RELIABILITY §2 row 13 with M, over a line of 20 MB/s that all processes share, so that fetching is most of it. The times
 * are told, not asserted beyond a bound against hangs; the short form is test/e2e/one-download.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedLayers, leftovers } from '../e2e/cache-state.ts';
import { halfNoise } from '../e2e/mixed-image.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startThrottle, type Throttle } from '../servers/throttle.ts';

const MIB = 1024 * 1024;
const LAYERS = 8;
const BYTES_PER_SECOND = 20_000_000;
/** Of the registry's bytes (the row): requests that are repeated, say. */
const MOST_TWICE = 0.005;

let store: Home;
let image: MadeLayout;
let imageBytes: number;
let registry: LoopbackRegistry;
let line: Throttle;
let alone: Warmed;
beforeAll(async () => {
  store = await makeHome();
  const layers = Array.from({ length: LAYERS }, (_, at) => ({ files: { 'a.bin': halfNoise(32 * MIB, at + 1) } }));
  image = await makeLayout(store.path('image'), layers);
  imageBytes = image.layers.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  line = await startThrottle(Number(registry.host.split(':')[1]), BYTES_PER_SECOND);
  const runs = [await warmAtOnce(1), await warmAtOnce(1)];
  alone = runs.toSorted((a, b) => a.tookMs - b.tookMs)[0] as Warmed;
}, 300_000);
afterAll(async () => {
  await line.close();
  await registry.close();
  await store.remove();
});

interface Warmed {
  readonly results: readonly CliResult[];
  readonly tookMs: number;
  /** Until the first layer was asked for: node starts as often as there are processes. */
  readonly startedMs: number;
  readonly servedBytes: number;
}

async function warmAtOnce(processes: number): Promise<Warmed> {
  const home = await makeHome();
  try {
    const before = registry.bytesServed;
    const requests = registry.requests.length;
    const startedAt = performance.now();
    const command = ['warm', `127.0.0.1:${line.port}/app:v1`, '--progress', 'plain'];
    const results = await Promise.all(Array.from({ length: processes }, () => home.run(command, { hangMs: 120_000 })));
    const tookMs = performance.now() - startedAt;
    for (const { code, stderr } of results) expect(code, stderr).toBe(0);
    expect((await cachedLayers(home)).length).toBe(LAYERS);
    expect(await leftovers(home)).toEqual([]);
    const first = registry.requests.slice(requests).find(({ path }) => image.layers.some(({ digest }) => path.endsWith(digest)));
    const startedMs = (first?.atMs ?? NaN) - startedAt;
    return { results, tookMs, startedMs, servedBytes: registry.bytesServed - before };
  } finally {
    await home.remove();
  }
}

describe('§2 row 13', () => {
  it.each([2, 4, 8])(
    '%i processes that warm M at once get it over the line once',
    async (processes) => {
      const { results, tookMs, startedMs, servedBytes } = await warmAtOnce(processes);
      const [times, timesFetching] = [tookMs / alone.tookMs, (tookMs - startedMs) / (alone.tookMs - alone.startedMs)];
      const figures = {
        processes,
        aloneMs: alone.tookMs,
        tookMs,
        startedMs,
        times,
        timesFetching,
        bytes: servedBytes / imageBytes,
      };
      process.stderr.write(`${JSON.stringify(figures)}\n`);
      // Manifest and config are asked for by each.
      expect(servedBytes).toBeLessThanOrEqual(imageBytes * (1 + MOST_TWICE));
      expect(results.filter(({ stderr }) => /^wait {2}[0-9a-f]+ waiting: lock pid \d+ /m.test(stderr)).length).toBeGreaterThan(0);
      expect(tookMs).toBeLessThan(3 * alone.tookMs);
    },
    300_000,
  );
});
