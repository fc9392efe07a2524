/** The drivers with a server behind them, out of the built command line: what is bundled is what runs. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushResult, WarmResult } from '../../src/lib/operations/results.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../servers/docker-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { redisServerMissing, startRedisServer, type RedisServer } from '../servers/redis-server.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1 << 20;
const SECRET = 'canary-of-redis';
let home: Home;

beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

const smallImage = (): Promise<MadeLayout> =>
  makeLayout(home.path('app'), [{ files: { 'etc/base': Buffer.alloc(200_000, 'base') } }, { files: { 'opt/app': 'app' } }]);

async function pushAndWarm(image: MadeLayout, url: string): Promise<void> {
  const pushed = await home.run(['push-cache', image.reference, '--to', url, '--json']);
  expect(pushed.code, pushed.stderr).toBe(0);
  expect(pushed.json<PushResult>().remotes[0]?.layers.map((layer) => layer.skipped)).toEqual([false, false]);
  const again = await home.run(['push-cache', image.reference, '--to', url, '--json']);
  expect(again.json<PushResult>().remotes[0]?.layers.map((layer) => layer.skipped)).toEqual([true, true]);
  const warmed = await home.run(['warm', image.reference, '--from', url, '--cache-dir', home.path('other'), '--json']);
  expect(warmed.code, warmed.stderr).toBe(0);
  const servedBy = warmed.json<WarmResult>().images.flatMap(({ layers }) => layers.map((layer) => layer.servedBy));
  expect(servedBy).toEqual(['remote', 'remote']);
}

describe.skipIf(redisServerMissing() !== undefined)('push-cache to redis://', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer({ password: SECRET });
  });
  beforeEach(() => server.client.flushall());
  afterAll(() => server.close());
  const url = (): string => `redis://:${SECRET}@127.0.0.1:${server.port}`;

  it('fills what warm --from reads', async () => {
    await pushAndWarm(await smallImage(), url());
  });

  it('row 17: shows the password nowhere, also when it is wrong', async () => {
    const { reference } = await smallImage();
    for (const password of [SECRET, `wrong-${SECRET}`]) {
      const remote = `redis://:${password}@127.0.0.1:${server.port}`;
      const { stdout, stderr } = await home.run(['push-cache', reference, '--to', remote, '--json', '-v']);
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });

  it('row 18: leaves chunks that expire and no manifest when it is killed', async () => {
    const { reference } = await makeLayout(home.path('large'), [
      { files: { large: randomBytes(96 * MIB) }, compression: 'none' },
    ]);
    expect((await home.run(['warm', reference])).code).toBe(0);
    const controller = new AbortController();
    const pushing = home.run(['push-cache', reference, '--to', url()], { signal: controller.signal, killSignal: 'SIGKILL' });
    while ((await server.client.dbsize()) < 3) await sleep(2);
    controller.abort();
    await pushing;
    const left = await Promise.all((await server.keys()).map(async (key) => ({ key, leftMs: await server.client.pttl(key) })));
    expect(left.length).toBeGreaterThan(0);
    expect(left.filter(({ key, leftMs }) => /^clipctl:[0-9a-f]{64}$/.test(key) || leftMs <= 0)).toEqual([]);
    expect((await home.run(['push-cache', reference, '--to', url()])).code).toBe(0);
  }, 60_000);

  it('sends 300 MB in 32 MiB of buffers and 112 MiB over an idle process', async () => {
    const { reference } = await makeLayout(home.path('large'), [
      { files: { a: randomBytes(150 * MIB), b: randomBytes(136 * MIB) }, compression: 'none' },
    ]);
    expect((await home.run(['warm', reference])).code).toBe(0);
    const pushed = await home.run(['push-cache', reference, '--to', url(), '--json']);
    expect(pushed.code, pushed.stderr).toBe(0);
    const idle = await home.run(['push-cache', reference, '--to', url(), '--json']);
    const { peakBufferedBytes = Infinity, peakRssBytes = Infinity } = pushed.json();
    expect(peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    expect(peakRssBytes - (idle.json().peakRssBytes ?? 0)).toBeLessThanOrEqual(112 * MIB);
  }, 60_000);
});

describe.skipIf(dockerRegistryMissing() !== undefined)('push-cache to oci://', () => {
  let server: DockerRegistry;
  beforeAll(async () => {
    server = await startDockerRegistry();
  });
  afterAll(() => server.close());

  it('fills what warm --from reads', async () => {
    await pushAndWarm(await smallImage(), `oci://${server.host}/team/cache`);
  });
});
