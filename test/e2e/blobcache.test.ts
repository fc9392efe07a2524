/** `blobcache://` out of the built command line: what is bundled is what runs. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InspectResult, PushResult, WarmResult } from '../../src/lib/operations/results.ts';
import { startBlobcacheServer, type BlobcacheServer } from '../servers/blobcache-server.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startRawServer } from '../servers/raw-server.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1 << 20;
const TOKEN = 'canary-of-blobcache';
let home: Home;
let app: MadeLayout;
let registry: LoopbackRegistry;
let server: BlobcacheServer;

beforeEach(async () => {
  home = await makeHome();
  app = await makeLayout(home.path('app'), [
    { files: { 'etc/base': randomBytes(3 * MIB) } },
    { files: { 'opt/app': 'app' }, compression: 'zstd' },
  ]);
  registry = await startLoopbackRegistry({ repositories: { app: app.directory } });
  server = await startBlobcacheServer({ token: TOKEN });
});
afterEach(async () => {
  await server.close();
  await registry.close();
  await home.remove();
});

const image = (): string => `${registry.host}/app:v1`;
const env = { CLIPCTL_BLOBCACHE_TOKEN: TOKEN };
const run = (...args: string[]) => home.run([...args, '--json'], { env });
const hashes = (): string[] => app.layers.map(({ diffId }) => diffId.slice('sha256:'.length)).sort();
const blobRequests = (): number =>
  registry.requests.filter(({ path }) => app.layers.some(({ digest }) => path.endsWith(digest))).length;
const servedBy = (document: WarmResult): string[] =>
  document.images.flatMap(({ layers }) => layers.map((layer) => layer.servedBy));

describe('push-cache to blobcache://', () => {
  it('fills what warm --from reads without a byte of the registry, and what inspect finds', async () => {
    const pushed = await run('push-cache', image(), '--to', server.url, '--verify', 'full');
    expect(pushed.code, pushed.stderr).toBe(0);
    expect(pushed.json<PushResult>().remotes[0]?.layers.map((layer) => layer.skipped)).toEqual([false, false]);
    expect(server.contents.hashes).toEqual(hashes());
    const again = await run('push-cache', image(), '--to', server.url);
    expect(again.json<PushResult>().remotes[0]?.layers.map((layer) => layer.skipped)).toEqual([true, true]);
    await rm(home.cacheDir, { recursive: true, force: true });
    const before = blobRequests();
    const inspected = await run('inspect', image(), '--from', server.url);
    expect(inspected.json<InspectResult>().layers.map(({ tiers }) => tiers)).toEqual(
      app.layers.map(() => ({ disk: false, remote: { [server.url]: true } })),
    );
    const warmed = await run('warm', image(), '--from', server.url, '--verify', 'full');
    expect(warmed.code, warmed.stderr).toBe(0);
    expect(servedBy(warmed.json())).toEqual(['remote', 'remote']);
    expect(blobRequests()).toBe(before);
  });

  it('takes layers straight through, whose size nobody knows before', async () => {
    const pushed = await run('push-cache', image(), '--to', server.url, '--no-disk');
    expect(pushed.code, pushed.stderr).toBe(0);
    expect(server.contents.hashes).toEqual(hashes());
  });

  it('row 18: a server that was poisoned costs a warning, and --repair-remote rewrites it', async () => {
    for (const hash of hashes()) server.contents.set(hash, randomBytes(3 * MIB));
    const warmed = await run('warm', image(), '--from', server.url);
    expect(warmed.code, warmed.stderr).toBe(0);
    expect(servedBy(warmed.json())).toEqual(['registry', 'registry']);
    expect(warmed.json<WarmResult>().remotes[0]).toMatchObject({ corrupt: 2, hits: 0 });
    expect(warmed.json<WarmResult>().warnings.join()).toContain('wrong bytes');
    await rm(home.cacheDir, { recursive: true, force: true });
    expect((await run('warm', image(), '--from', server.url, '--repair-remote')).code).toBe(0);
    await rm(home.cacheDir, { recursive: true, force: true });
    expect(servedBy((await run('warm', image(), '--from', server.url)).json())).toEqual(['remote', 'remote']);
  });

  it('row 19: in mode ro is sent no write, also when it should be mended', async () => {
    expect((await run('push-cache', image(), '--to', server.url)).code).toBe(0);
    await rm(home.cacheDir, { recursive: true, force: true });
    for (const hash of hashes()) server.contents.set(hash, Buffer.alloc(server.contents.sizeOf(hash)));
    const config = home.path('config/clipctl/config.json');
    await mkdir(dirname(config), { recursive: true });
    await writeFile(config, JSON.stringify({ remotes: [{ url: server.url, mode: 'ro' }] }));
    server.calls.length = 0;
    const warmed = await run('warm', image(), '--repair-remote');
    expect(warmed.json<WarmResult>().remotes).toMatchObject([{ corrupt: 2, repaired: 0, stored: 0 }]);
    const filled = await run('warm', image(), '--to', `blobcache://:x@127.0.0.1:${server.port}/`);
    expect(filled.code, filled.stderr).toBe(2);
    expect(server.calls.filter((call) => call.startsWith('StoreContent'))).toEqual([]);
    expect(server.calls.length).toBeGreaterThan(4);
  });

  it('row 31: a server that is none costs a warm one warning and less than ten seconds, and a push is exit 11', async () => {
    const hole = await startRawServer(() => undefined);
    const startedAt = performance.now();
    const warmed = await run('warm', image(), '--from', `blobcache://127.0.0.1:${hole.port}`);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(warmed.code, warmed.stderr).toBe(0);
    expect(warmed.json<WarmResult>().durationMs).toBeLessThan(10_000);
    expect(warmed.json<WarmResult>().warnings).toHaveLength(1);
    await hole.close();
    const pushed = await run('push-cache', image(), '--to', `blobcache://127.0.0.1:${hole.port}`, '--retries', '0');
    expect(pushed.code).toBe(11);
  }, 60_000);

  it('row 17: shows the token nowhere, in whatever way it is given, right or wrong', async () => {
    for (const token of [TOKEN, `wrong-${TOKEN}`]) {
      const url = `blobcache://:${token}@127.0.0.1:${server.port}`;
      for (const args of [
        ['push-cache', image(), '--to', url],
        ['warm', image(), '--from', url],
        ['inspect', image(), '--from', url],
      ]) {
        const { stdout, stderr } = await home.run([...args, '--json', '-v']);
        expect(stdout + stderr).not.toContain(TOKEN);
      }
    }
  });

  it('row 18: a push that is killed leaves nothing on the server, and the next one stores all', async () => {
    const large = await makeLayout(home.path('large'), [{ files: { large: randomBytes(48 * MIB) }, compression: 'none' }]);
    expect((await home.run(['warm', large.reference])).code).toBe(0);
    server.faults = { holdsUploads: true };
    const controller = new AbortController();
    const args = ['push-cache', large.reference, '--to', server.url];
    const pushing = home.run(args, { env, signal: controller.signal, killSignal: 'SIGKILL' });
    while (server.largestMessageBytes() === 0) await sleep(1);
    controller.abort();
    await pushing;
    await expect.poll(() => server.openUploads()).toBe(0);
    expect(server.contents.hashes).toEqual([]);
    server.faults = {};
    expect((await home.run(args, { env })).code).toBe(0);
    expect(server.contents.hashes).toHaveLength(1);
  }, 60_000);

  it('refuses --compress, and URLs that are none, with exit 2 before anything is sent', async () => {
    const packed = await run('push-cache', image(), '--to', server.url, '--compress', 'zstd');
    expect([packed.code, packed.json().error?.message]).toEqual([2, expect.stringContaining('takes plain layers only')]);
    expect((await run('push-cache', image(), '--to', 'blobcache://user@host')).code).toBe(2);
    expect(server.calls).toEqual([]);
  });

  it('sends and reads 300 MB in 32 MiB of buffers and 112 MiB over an idle process', async () => {
    const large = await makeLayout(home.path('large'), [
      { files: { a: randomBytes(150 * MIB), b: randomBytes(136 * MIB) }, compression: 'none' },
    ]);
    expect((await home.run(['warm', large.reference])).code).toBe(0);
    const pushed = await run('push-cache', large.reference, '--to', server.url);
    const idle = await run('push-cache', large.reference, '--to', server.url);
    await rm(home.cacheDir, { recursive: true, force: true });
    const warmed = await run('warm', large.reference, '--from', server.url);
    expect(servedBy(warmed.json())).toEqual(['remote']);
    for (const result of [pushed, warmed]) {
      expect(result.code, result.stderr).toBe(0);
      const { peakBufferedBytes = Infinity, peakRssBytes = Infinity } = result.json();
      expect(peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      expect(peakRssBytes - (idle.json().peakRssBytes ?? 0)).toBeLessThanOrEqual(112 * MIB);
    }
  }, 120_000);
});
