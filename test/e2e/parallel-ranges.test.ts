/** A slow layer through the command: several ranges at once, and one plain stream where ranges are wrong. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeMixedImage, servedOf } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';
import { startLoopbackRegistry, type Fault, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';

const MIB = 1024 * 1024;
/** What is slower than this is read over several connections. */
const SLOW: Fault = { bytesPerSecond: 10_000_000 };

let store: Home;
let home: Home;
let image: MadeLayout;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  image = await makeMixedImage(join(store.dir, 'image'), 24 * MIB, ['none']);
}, 60_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({ repositories: { 'lab/slow': image.directory } });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

function layerOf(): MadeLayout['layers'][number] {
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('no layer');
  return layer;
}

/** What happens to a request of the layer with a Range, and to one without. */
function script(ranged: Fault, plain: Fault = SLOW): void {
  registry.script = ({ path, headers }) => {
    if (!path.endsWith(layerOf().digest)) return undefined;
    return headers['range'] === undefined ? plain : ranged;
  };
}

function layerRequests() {
  return registry.requests.filter(({ path }) => path.endsWith(layerOf().digest));
}

async function warm() {
  const result = await home.run(['warm', `${registry.host}/lab/slow:v1`, '--json']);
  expect(result.code, result.stderr).toBe(0);
  expect(await cachedLayers(home)).toEqual([layerOf().diffId.slice('sha256:'.length)]);
  expect(await leftovers(home)).toEqual([]);
  return result.json<{ peakBufferedBytes: number; totals: { downloadedBytes: number; resumedBytes?: number } }>();
}

it('a slow layer comes over several connections, each byte once, inside the budget', async () => {
  script(SLOW);
  const { peakBufferedBytes, totals } = await warm();
  expect(registry.connections.registry).toBeGreaterThanOrEqual(3);
  expect(servedOf(registry, layerOf().digest)).toBe(layerOf().compressedBytes);
  expect(totals.downloadedBytes).toBe(layerOf().compressedBytes);
  expect(peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
});

it('ranges with a wrong bit are given up for one plain stream', async () => {
  script({ ...SLOW, flipAt: 1000 });
  await warm();
  const requests = layerRequests();
  expect(requests.filter(({ headers }) => headers['range'] === undefined)).toHaveLength(1);
  expect(requests.at(-1)?.headers['range']).toBeUndefined();
});

it('a server that answers 416 to every Range is read as one plain stream', async () => {
  script({ status: 416 });
  await warm();
  expect(layerRequests().map(({ headers }) => headers['range'] === undefined)).toEqual([false, true]);
});

it('a server that answers 200 to every Range is read as one stream', async () => {
  script({ ...SLOW, ignoreRange: true });
  await warm();
  expect(layerRequests()).toHaveLength(1);
});

it('an address that was signed for too short a time, and is refused with 403 ahead, is asked for again at the registry', async () => {
  await registry.close();
  registry = await startLoopbackRegistry({ repositories: { 'lab/slow': image.directory }, redirectBlobs: true });
  let refused = 0;
  registry.script = ({ path, server, headers }) => {
    if (server !== 'storage' || !path.endsWith(layerOf().digest)) return undefined;
    const isAhead = !/^bytes=0-/.test(String(headers['range'] ?? 'bytes=0-'));
    return isAhead && refused++ < 3 ? { status: 403, body: 'Request has expired' } : SLOW;
  };
  const { totals } = await warm();
  expect(refused).toBeGreaterThanOrEqual(3);
  expect(totals.downloadedBytes).toBe(layerOf().compressedBytes);
});

it('a login that the registry refuses with 403 ahead is renewed; one that stays refused is exit 5', async () => {
  await registry.close();
  registry = await startLoopbackRegistry({ repositories: { 'lab/slow': image.directory }, auth: { kind: 'bearer' } });
  const tokens = new Set<unknown>();
  const refuse = (isForEver: boolean): void => {
    registry.script = ({ path, headers }) => {
      if (!path.endsWith(layerOf().digest)) return undefined;
      if (/^bytes=0-/.test(String(headers['range'] ?? 'bytes=0-'))) tokens.add(headers['authorization']);
      return isForEver || tokens.has(headers['authorization']) ? { ...SLOW, ...refusalOf(headers) } : SLOW;
    };
  };
  const refusalOf = (headers: { readonly range?: string | undefined }): Fault =>
    /^bytes=0-/.test(headers.range ?? 'bytes=0-') ? {} : { status: 403 };
  refuse(false);
  await warm();
  expect(registry.countOf('/token')).toBeGreaterThanOrEqual(2);
  refuse(true);
  const result = await home.run(['warm', `${registry.host}/lab/slow:v1`, '--cache-dir', home.path('other'), '--json']);
  expect([result.code, result.json().error?.code]).toEqual([5, 'FORBIDDEN']);
});

it('validators that change in between leave the right bytes', async () => {
  let answers = 0;
  registry.script = ({ path }) => {
    if (!path.endsWith(layerOf().digest)) return undefined;
    return { ...SLOW, headers: { etag: `"version-${answers++}"` } };
  };
  await warm();
});

it('§2 row 1: killed with pieces that came before their turn: the next process fetches the holes, 2 MiB again at most', async () => {
  const { digest, compressedBytes } = layerOf();
  // What one connection is asked for first is 8 MiB; the pieces after it stand still in their middle.
  registry.script = ({ path, headers }) => {
    if (!path.endsWith(digest)) return undefined;
    return String(headers['range']).startsWith('bytes=0-') ? SLOW : { ...SLOW, stallAt: 2 * MIB };
  };
  const stop = new AbortController();
  const running = home.run(['warm', `${registry.host}/lab/slow:v1`], { signal: stop.signal, killSignal: 'SIGKILL' });
  // All of the first, and half of each of four pieces.
  while (servedOf(registry, digest) < 16 * MIB) await sleep(20);
  await sleep(500);
  stop.abort();
  expect((await running).code).toBe(137);
  expect((await leftovers(home)).filter((name) => !/\/(layer|journal|ahead|granted)$/.test(name))).toHaveLength(1);
  registry.script = undefined;
  const { totals } = await warm();
  const again = servedOf(registry, digest) - compressedBytes;
  expect(again).toBeGreaterThanOrEqual(0);
  expect(again).toBeLessThanOrEqual(2 * MIB);
  expect(totals.downloadedBytes + (totals.resumedBytes ?? 0)).toBe(compressedBytes);
});
