import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openRedisRemote } from '../../../../src/lib/cache/remote/redis/redis-remote.ts';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import type { ClipctlError } from '../../../../src/lib/errors.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { startLatencyProxy } from '../../../servers/latency-proxy.ts';
import { redisServerMissing, startRedisServer, type RedisServer } from '../../../servers/redis-server.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { drain, seededContent, sourceOf, type SeededContent } from '../../seeded-content.ts';
import { contextForTest } from '../context-for-test.ts';

const MIB = 1 << 20;
const SECRET = 'canary-of-redis';
const content = seededContent(60, 3 * MIB + 5);
const { hash, sizeBytes } = content;

const store = (remote: ContentCache, stored: SeededContent = content): Promise<unknown> =>
  remote.storeContent(stored.source(), stored.hash, { sizeBytes: stored.sizeBytes, signal });

describe.skipIf(redisServerMissing() !== undefined)('a Redis remote', () => {
  let server: RedisServer;
  let remote: ContentCache;
  const opened: ContentCache[] = [];

  const open = (over: Partial<RemoteContext> = {}, tuning = {}, port = server.port): ContentCache => {
    const cache = openRedisRemote(new URL(`redis://127.0.0.1:${port}`), contextForTest(over), tuning);
    opened.push(cache);
    return cache;
  };

  beforeAll(async () => {
    server = await startRedisServer();
  });
  beforeEach(async () => {
    await server.client.flushall();
    remote = open();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((cache) => cache.close()));
  });
  afterAll(() => server.close());

  it('holds a layer as values of 1 MiB and a small manifest, none of which expires', async () => {
    await store(remote);
    const keys = [`clipctl:${hash}`, ...[0, 1, 2, 3].map((index) => `clipctl:${hash}:${index}`)];
    expect(await server.keys()).toEqual(keys);
    expect(await Promise.all(keys.map((key) => server.client.pttl(key)))).toEqual([-1, -1, -1, -1, -1]);
    const manifest: unknown = JSON.parse((await server.client.get(`clipctl:${hash}`)) ?? '');
    expect(manifest).toEqual({ version: 1, sizeBytes, chunkBytes: MIB, chunks: 4 });
    expect(await server.client.strlen(`clipctl:${hash}:3`)).toBe(5);
  });

  it('row 18: lets every chunk expire until the manifest stands', async () => {
    const seen: number[] = [];
    const source = sourceOf(sizeBytes, content.slice, async (offset) => {
      if (offset !== 3 * MIB) return;
      while ((await server.keys()).length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
      for (const key of await server.keys()) seen.push(await server.client.pttl(key));
      expect(await open().contentExists(hash, { signal })).toBeUndefined();
    });
    await open({}, { expiryMs: 60_000 }).storeContent(source, hash, { sizeBytes, signal });
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen.every((leftMs) => leftMs > 0 && leftMs <= 60_000)).toBe(true);
  });

  it('keeps the chunks of a slow store alive until it is published', async () => {
    const source = sourceOf(sizeBytes, content.slice, () => new Promise((resolve) => setTimeout(resolve, 250)));
    await open({}, { expiryMs: 600 }).storeContent(source, hash, { sizeBytes, signal });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it('takes pieces of any size, also when the budget has room for none', async () => {
    const slices = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < sizeBytes; at += 300_001) yield content.slice(at, 300_001);
    };
    const chunk = { index: 0, offset: 0, length: sizeBytes, stream: slices };
    const source = (async function* () {
      yield chunk;
    })();
    await open({ budget: new MemoryBudget(1000) }).storeContent(source, hash, { sizeBytes, signal });
    expect((await drain(await open({ budget: new MemoryBudget(1000) }).getContent(hash, { signal }))).hash).toBe(hash);
  });

  it.each([
    ['a chunk is missing', () => server.client.del(`clipctl:${hash}:2`)],
    ['its manifest is of another version', () => server.client.set(`clipctl:${hash}`, '{"version":2}')],
    ['its manifest is no JSON', () => server.client.set(`clipctl:${hash}`, 'x'.repeat(10_000))],
    [
      'its manifest names other sizes than it can have',
      () =>
        server.client.set(`clipctl:${hash}`, JSON.stringify({ version: 1, sizeBytes: 2 ** 53, chunkBytes: 1, chunks: 2 ** 53 })),
    ],
  ])('says undefined when %s, and the next store mends it', async (_what, damage) => {
    await store(remote);
    await damage();
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(await remote.getContent(hash, { signal })).toBeUndefined();
    await store(remote);
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it.each([
    ['other bytes', () => server.client.setrange(`clipctl:${hash}:1`, 70_000, 'poison')],
    ['a short chunk', () => server.client.set(`clipctl:${hash}:1`, 'short')],
    ['a long chunk', () => server.client.append(`clipctl:${hash}:3`, 'more')],
    ['the chunk of another layer', () => server.client.copy(`clipctl:${hash}:0`, `clipctl:${hash}:1`, 'REPLACE')],
  ])('row 18: never gives out %s as the content, and replaces it when told', async (what, damage) => {
    await store(remote);
    await damage();
    if (what === 'a long chunk') {
      expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
      return;
    }
    expect(await codeOf(remote.getContent(hash, { signal }).then(drain))).toBe('CACHE_CORRUPT');
    await remote.storeContent(content.source(), hash, { sizeBytes, signal, replace: true });
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it('stores content whose size only its end tells', async () => {
    expect(await remote.storeUnsized?.(content.source(), hash, { signal })).toEqual({
      sentBytes: sizeBytes,
      chunks: 1,
      skipped: false,
    });
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('reads nothing but the slices of a range', async () => {
    await store(remote);
    await server.client.config('RESETSTAT');
    await drain(await remote.getContent(hash, { offset: 2 * MIB, length: 100, signal }));
    const stats = await server.client.info('stats');
    expect(Number(/total_net_output_bytes:(\d+)/.exec(stats)?.[1])).toBeLessThan(4000);
  });

  it('goes on with a new connection after the server was restarted', async () => {
    await store(remote);
    await server.restart();
    await remote.contentExists(hash, { signal }).catch(() => undefined);
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    await store(remote);
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('fails with a retryable NETWORK when the connection is cut in a store, and shows nothing', async () => {
    const proxy = await startLatencyProxy(server.port, 1);
    const source = sourceOf(sizeBytes, content.slice, (offset) => {
      if (offset !== 2 * MIB) return undefined;
      proxy.cut();
      return new Promise((resolve) => setTimeout(resolve, 100));
    });
    const storing = open({}, {}, proxy.port).storeContent(source, hash, { sizeBytes, signal });
    await expect(storing).rejects.toMatchObject({ code: 'NETWORK', retryable: true });
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    await proxy.close();
  });

  it('fails with TIMEOUT when the server falls silent', async () => {
    await server.client.config('SET', 'maxmemory', '0');
    const patient = open({ timeoutMs: 300 });
    await patient.contentExists(hash, { signal });
    await server.client.client('PAUSE', 1500);
    expect(await codeOf(patient.contentExists(hash, { signal }))).toBe('TIMEOUT');
    await server.client.client('UNPAUSE');
  });

  it('says that the server is full, and leaves nothing', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await server.client.info('memory'))?.[1]);
    await server.client.config('SET', 'maxmemory', String(used + 2 * MIB));
    try {
      await expect(store(remote)).rejects.toMatchObject({
        code: 'REMOTE_FAILED',
        hint: expect.stringContaining('maxmemory') as string,
      });
      expect(await server.keys()).toEqual([]);
    } finally {
      await server.client.config('SET', 'maxmemory', '0');
    }
  });
});

describe.skipIf(redisServerMissing() !== undefined)('the login of a Redis remote', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer({ password: SECRET, user: { name: 'reader', password: 'r' } });
    await server.client.acl('SETUSER', 'reader', 'on', '>r', '~clipctl:*', '+@read', '-@write');
  });
  afterAll(() => server.close());

  const failureAt = async (path: string, environment = {}): Promise<ClipctlError> => {
    const remote = openRedisRemote(new URL(`redis://${path}`), contextForTest({ environment }));
    try {
      await store(remote);
      throw new Error('it was let in');
    } catch (error) {
      return error as ClipctlError;
    } finally {
      await remote.close();
    }
  };

  it('fails with UNAUTHORIZED without a password', async () => {
    expect((await failureAt(`127.0.0.1:${server.port}`)).code).toBe('UNAUTHORIZED');
  });

  it('row 17: fails with UNAUTHORIZED for a wrong password, and shows no secret', async () => {
    const wrong = `wrong${randomBytes(4).toString('hex')}`;
    const error = await failureAt(`carol:${wrong}@127.0.0.1:${server.port}`);
    expect(error.code).toBe('UNAUTHORIZED');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(wrong);
  });

  it('fails with FORBIDDEN for a user who may only read', async () => {
    expect((await failureAt(`reader:r@127.0.0.1:${server.port}`)).code).toBe('FORBIDDEN');
  });

  it('does not fall back to database 0 when the database does not exist', async () => {
    const environment = { CLIPCTL_REDIS_PASSWORD: SECRET };
    expect((await failureAt(`127.0.0.1:${server.port}/99`, environment)).code).toBe('REMOTE_FAILED');
    expect(await server.keys()).toEqual([]);
  });

  it('shows the URL without the login', () => {
    const remote = openRedisRemote(new URL(`redis://carol:${SECRET}@cache.example/2`), contextForTest());
    expect(remote.url).toBe('redis://cache.example:6379/2');
    expect(inspect(remote, { depth: 10, showHidden: true })).not.toContain(SECRET);
  });

  it.each(['redis:///0', 'redis://localhost/zero', 'redis://localhost?x=y', 'redis://carol@localhost', 'redis://%zz@localhost'])(
    '%j is refused with USAGE before anything is sent',
    async (url) => {
      expect(await codeOf((async () => openRedisRemote(new URL(url), contextForTest()))())).toBe('USAGE');
    },
  );
});
