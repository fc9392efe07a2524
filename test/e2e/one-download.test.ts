/** RELIABILITY §2 row 13: many processes want one image, and the registry serves it once. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededContent } from '../cache/seeded-content.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** As M of RELIABILITY §2 has them; smaller ones. */
const LAYERS = 8;

let store: Home;
let image: MadeLayout;
let home: Home;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  const layers = Array.from({ length: LAYERS }, (_, at) => ({
    files: { 'a.bin': seededContent(at, 2 * MIB).slice(0, 2 * MIB) },
  }));
  image = await makeLayout(join(store.dir, 'image'), layers);
}, 60_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

const warm = (options: Parameters<Home['run']>[1] = {}, ...flags: string[]): Promise<CliResult> =>
  home.run(['warm', `${registry.host}/app:v1`, '--progress', 'plain', ...flags], options);

const blobRequests = (): number => registry.requests.filter(({ path }) => isLayer(path)).length;

const layerBytes = (): number =>
  registry.requests.filter(({ path }) => isLayer(path)).reduce((sum, { bytesServed }) => sum + bytesServed, 0);

const isLayer = (path: string): boolean => image.layers.some(({ digest }) => path.endsWith(digest));

async function heldLocks(): Promise<unknown[]> {
  const locks = join(home.cacheDir, '.clipctl/v1/locks');
  const leases = (await readdir(locks)).filter((name) => name.endsWith('.lease'));
  return Promise.all(
    leases.map(async (name) => (JSON.parse(await readFile(join(locks, name), 'utf8')) as { kind: string }).kind),
  );
}

async function until(condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > 20_000) throw new Error('it does not happen');
    await sleep(10);
  }
}

/** The first answer with a layer, whichever it is, stops after a while; later ones are whole. */
function stallFirstLayer(): void {
  registry.script = ({ path }) =>
    path.includes('/blobs/') && blobRequests() === 1 && isLayer(path) ? { stallAt: MIB } : undefined;
}

describe.each([
  ['locks of the kernel', 'auto'],
  ['leases', 'lease'],
])('§2 row 13: with %s', (_what, kind) => {
  const env = { CLIPCTL_LOCKS: kind };

  it.each([2, 4, 8])('%i processes that warm one image at once get every byte from the registry once', async (processes) => {
    const results = await Promise.all(Array.from({ length: processes }, () => warm({ env })));
    for (const { code, stderr } of results) expect(code, stderr).toBe(0);
    expect(blobRequests()).toBe(LAYERS);
    const imageBytes = image.layers.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
    expect(layerBytes()).toBe(imageBytes);
    expect((await cachedLayers(home)).length).toBe(LAYERS);
    expect(await leftovers(home)).toEqual([]);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/locks'))).toEqual([]);
  });

  it('a waiter says whom it waits for, and takes over within 2 seconds when that is killed, and goes on with what it brought', async () => {
    stallFirstLayer();
    const stop = new AbortController();
    const holder = warm({ env, signal: stop.signal, killSignal: 'SIGKILL' }, '--jobs', '1');
    await until(() => blobRequests() === 1);
    const waiter = warm({ env }, '--jobs', '1');
    await sleep(1500);
    expect(blobRequests()).toBe(1);
    expect(await heldLocks()).toEqual(kind === 'auto' ? ['kernel'] : ['lease']);
    stop.abort();
    const killedMs = performance.now();
    await until(() => blobRequests() > 1);
    expect(performance.now() - killedMs).toBeLessThan(2000);
    const [first, second] = registry.requests.filter(({ path }) => isLayer(path));
    expect(second?.path).toBe(first?.path);
    expect(Number(/^bytes=(\d+)-/.exec(String(second?.headers['range']))?.[1])).toBeGreaterThanOrEqual(MIB / 2);
    expect((await holder).code).toBe(137);
    const { code, stderr } = await waiter;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^wait {2}[0-9a-f]+ waiting: lock pid \d+ \(clipctl warm\) on /m);
    expect(await leftovers(home)).toEqual([]);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/locks'))).toEqual([]);
  });

  it('a waiter ends by a signal at once, and by --lock-timeout with exit 8', async () => {
    stallFirstLayer();
    const stop = new AbortController();
    const holder = warm({ env, signal: stop.signal, killSignal: 'SIGKILL' }, '--jobs', '1');
    await until(() => blobRequests() === 1);
    const impatient = await warm({ env }, '--jobs', '1', '--lock-timeout', '300ms', '--json');
    expect(impatient.code).toBe(8);
    expect(impatient.json().error?.code).toBe('LOCK_TIMEOUT');
    const leaving = new AbortController();
    const waiter = warm({ env, signal: leaving.signal }, '--jobs', '1');
    await sleep(1000);
    leaving.abort();
    const startMs = performance.now();
    expect((await waiter).code).toBe(143);
    expect(performance.now() - startMs).toBeLessThan(3000);
    stop.abort();
    await holder;
  });
});
