/** `--mirror HOST=URL`: order, fallback, and no login goes astray. `--max-rate`: what all streams together take. */
import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { halfNoise } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';
import { freePort } from '../servers/free-port.ts';

let home: Home;
let first: LoopbackRegistry;
let second: LoopbackRegistry;
let origin: LoopbackRegistry;
const LAYER_BYTES = 512 * 1024;
beforeAll(async () => {
  home = await makeHome();
  const random = (seed: number) =>
    Buffer.from(Array.from({ length: LAYER_BYTES }, (_, at) => (at * at * seed + (at >> 3)) % 251));
  const layers = [1, 2, 3, 4].map((seed) => ({ files: { [`f${seed}`]: random(seed) }, compression: 'none' as const }));
  const { directory } = await makeLayout(home.path('app'), layers);
  first = await startLoopbackRegistry({ repositories: { 'hub/app': directory } });
  second = await startLoopbackRegistry({ repositories: { app: directory } });
  origin = await startLoopbackRegistry({ repositories: { app: directory } });
});
afterAll(async () => {
  for (const server of [first, second, origin]) await server.close();
  await home.remove();
});

let caches = 0;
let seen: number[] = [];
beforeEach(() => {
  seen = [first, second, origin].map(({ requests }) => requests.length);
  for (const server of [first, second, origin]) server.script = undefined;
});
/** Requests of this test that each server got. */
const asked = (): number[] => [first, second, origin].map(({ requests }, at) => requests.length - (seen[at] ?? 0));
const warm = (...args: readonly string[]) =>
  home.run(['warm', `${origin.host}/app:v1`, '--cache-dir', home.path(`cache-${caches++}`), ...args]);
const mirrors = (...urls: readonly string[]) => urls.flatMap((url) => ['--mirror', `${origin.host}=${url}`]);

describe('--mirror', () => {
  it('is asked first, below its path, and the registry not at all', async () => {
    const result = await warm(...mirrors(`${first.url}/hub`, second.url), '-v');
    expect([result.code, asked()]).toEqual([0, [6, 0, 0]]);
    expect(result.stderr).toContain(`mirror asked in this order: ${first.host}/hub, ${second.host}, ${origin.host}`);
  });

  it('that lacks the image, refuses or is gone is passed over, with a word at -v', async () => {
    second.script = () => ({ status: 403 });
    const gone = `http://127.0.0.1:${await freePort()}`;
    const result = await warm(...mirrors(first.url, second.url, gone), '-v');
    expect(result.code).toBe(0);
    expect(asked()[2]).toBe(6);
    expect(result.stderr).toContain(`mirror ${first.host}: IMAGE_NOT_FOUND for manifest v1 of app, the next is asked`);
    expect(result.stderr).toContain(`mirror ${second.host}: FORBIDDEN`);
    // What can't be reached is asked once in a run.
    expect(result.stderr.match(/: NETWORK for/g)).toHaveLength(1);
    expect((await warm(...mirrors(first.url))).stderr).not.toContain('mirror');
  });

  it('that has wrong bytes is passed over once it has shown it: manifest, config and layers come from the registry', async () => {
    for (const part of ['/manifests/', '/blobs/']) {
      second.script = ({ path }) => (path.includes(part) ? { flipAt: 40 } : undefined);
      const result = await warm(...mirrors(second.url), '-v', '--json');
      expect([part, result.code, result.json()['error']]).toEqual([part, 0, undefined]);
      expect(result.stderr).toContain('DIGEST_MISMATCH');
    }
    // Five blobs, each of them once; the manifest of the first run.
    expect(asked()[2]).toBe(6);
  });

  it('that goes away in the middle of a layer leaves the rest to the registry, each byte once', async () => {
    let blobs = 0;
    second.script = ({ path }) => {
      if (!path.includes('/blobs/')) return undefined;
      return ++blobs <= 5 ? { cutAt: 300_000, headers: { etag: '"of-the-mirror"' } } : { status: 503 };
    };
    const result = await warm(...mirrors(second.url), '-v', '--json');
    expect([result.code, result.json()['error']]).toEqual([0, undefined]);
    const layers = [second, origin].map(({ requests }, at) =>
      requests.slice(seen[at + 1]).filter(({ path }) => path.includes('/blobs/')),
    );
    const servedBytes = layers.flat().reduce((sum, { bytesServed }) => sum + bytesServed, 0);
    expect(servedBytes).toBeLessThanOrEqual(4 * LAYER_BYTES * 1.02 + 16 * 1024);
    expect(layers.flat().map(({ headers }) => headers['if-range'])).toEqual(layers.flat().map(() => undefined));
  });

  it('gets no login that was typed for the registry, but its own', async () => {
    await mkdir(home.path('docker'));
    const auth = Buffer.from('mirror-user:mirror-secret').toString('base64');
    await writeFile(home.path('docker/config.json'), JSON.stringify({ auths: { [second.host]: { auth } } }));
    const challenge = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    second.script = ({ headers }) => (headers['authorization'] === undefined ? challenge : undefined);
    const args = [...mirrors(second.url), '--username', 'typed', '--password-stdin'];
    const result = await home.run(['warm', `${origin.host}/app:v1`, '--cache-dir', home.path('auth'), ...args], {
      input: 'typed-secret',
      env: { DOCKER_CONFIG: home.path('docker') },
    });
    const sent = second.requests.slice(seen[1]).map(({ headers }) => headers['authorization']);
    expect([result.code, new Set(sent)]).toEqual([0, new Set([undefined, `Basic ${auth}`])]);
  });

  it('stands in the environment and the config file too, and a wrong one is a wrong use', async () => {
    const mirror = `${origin.host}=${first.url}/hub`;
    const config = home.path('mirror.json');
    await writeFile(config, JSON.stringify({ mirror: [mirror], maxRate: '1GiB' }));
    expect((await warm('--config', config)).code).toBe(0);
    expect(asked()).toEqual([6, 0, 0]);
    for (const wrong of ['x', 'host=', '=https://x', 'h=ftp://x', 'h=https://u:canary-1@x', `h=https://x/?canary-1`]) {
      const result = await warm('--mirror', wrong);
      expect([wrong, result.code]).toEqual([wrong, 2]);
      expect(result.stdout + result.stderr).not.toContain('canary-1');
    }
  });
});

it('--max-rate holds for all streams together, within 10 %', async () => {
  const rate = 1024 * 1024;
  const before = origin.bytesServed;
  const result = await warm('--max-rate', '1MiB', '--jobs', '4', '--json');
  const { durationMs } = result.json<{ durationMs: number }>();
  const bytes = origin.bytesServed - before;
  expect([result.code, bytes > 4 * LAYER_BYTES]).toEqual([0, true]);
  const expectedMs = (bytes / rate) * 1000;
  // Slower than told is a busy machine; faster than told is a broken promise.
  expect(durationMs).toBeGreaterThan(expectedMs * 0.9);
  expect(durationMs).toBeLessThan(expectedMs * 1.1 + 3000);
  process.stdout.write(`--max-rate: ${Math.round(bytes / (durationMs / 1000) / 1024)} KiB/s of 1024\n`);
  expect((await warm('--max-rate', '1KiB')).code).toBe(2);
});

it('--max-rate alone makes no slow server: one connection, though a layer comes at a tenth of what another connection would help', async () => {
  const { directory } = await makeLayout(home.path('large'), [
    { files: { a: halfNoise(20 * 1024 * 1024, 9) }, compression: 'none' },
  ]);
  const registry = await startLoopbackRegistry({ repositories: { app: directory } });
  const result = await home.run(['warm', `${registry.host}/app:v1`, '--cache-dir', home.path('one'), '--max-rate', '4MiB']);
  expect([result.code, registry.connections.registry]).toEqual([0, 1]);
  await registry.close();
});
