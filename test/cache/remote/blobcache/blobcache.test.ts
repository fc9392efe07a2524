import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { status } from '@grpc/grpc-js';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openBlobcacheRemote, type BlobcacheTuning } from '../../../../src/lib/cache/remote/blobcache/blobcache-remote.ts';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import { ClipctlError } from '../../../../src/lib/errors.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { startForwardProxy } from '../../../servers/forward-proxy.ts';
import { startRawServer } from '../../../servers/raw-server.ts';
import { startBlobcacheServer, type BlobcacheServer } from '../../../servers/blobcache-server.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { drain, seededContent, sourceOf, type SeededContent } from '../../seeded-content.ts';
import { leasesLeftIn } from '../budget-left.ts';
import { contextForTest } from '../context-for-test.ts';

const MIB = 1 << 20;
const SECRET = 'canary-of-blobcache';
const content = seededContent(80, 3 * MIB + 5);
const { hash, sizeBytes } = content;
let server: BlobcacheServer;
const opened: ContentCache[] = [];

const open = (over: Partial<RemoteContext> = {}, tuning: Partial<BlobcacheTuning> = {}, url = server.url): ContentCache => {
  const cache = openBlobcacheRemote(new URL(url), contextForTest(over), tuning);
  opened.push(cache);
  return cache;
};
const store = (remote: ContentCache, stored: SeededContent = content): Promise<unknown> =>
  remote.storeContent(stored.source(), stored.hash, { sizeBytes: stored.sizeBytes, signal });
/** The hash of what comes. @throws ClipctlError LAYER_NOT_FOUND for a miss */
const read = async (remote: ContentCache): Promise<string> => {
  const stream = await remote.getContent(hash, { signal });
  if (stream === undefined) throw new ClipctlError('LAYER_NOT_FOUND', 'a miss');
  return (await drain(stream)).hash;
};
const callsOf = (name: string): string[] => server.calls.filter((call) => call.startsWith(`${name} `));

beforeEach(async () => {
  server = await startBlobcacheServer();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()));
  await server.close();
});

describe('a blobcache remote', () => {
  it('stores messages of at most 256 KiB, under the hash that the server finds', async () => {
    await store(open());
    expect(server.contents.hashes).toEqual([hash]);
    expect(server.largestMessageBytes()).toBeLessThanOrEqual(256 * 1024);
  });

  it('stores and reads within a budget that is used up', async () => {
    const budget = new MemoryBudget();
    const taken = budget.tryAcquireBuffer(budget.limitBytes);
    const remote = open({ budget });
    await store(remote);
    expect(await read(remote)).toBe(hash);
    expect(server.largestMessageBytes()).toBeLessThanOrEqual(16 * 1024);
    expect(Math.max(...callsOf('GetContentStream').map((call) => Number(call.split('+')[1])))).toBe(32 * 1024);
    taken?.release();
    expect(await leasesLeftIn(budget)).toEqual([]);
  });

  it('asks again for no size that it knows: a read takes no more than its spans', async () => {
    const remote = open();
    await store(remote);
    server.calls.length = 0;
    expect(await read(remote)).toBe(hash);
    const spans = [0, 1, 2, 3, 4, 5].map((at) => `GetContentStream ${hash} ${at * 524_288}+${at === 6 ? 5 : 524_288}`);
    expect(server.calls.sort()).toEqual([...spans, `GetContentStream ${hash} ${6 * 524_288}+5`].sort());
  });

  it('finds a size it does not know, and asks for 17 bytes the next time', async () => {
    await store(open());
    const remote = open();
    server.calls.length = 0;
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
    expect(server.calls.length).toBeLessThanOrEqual(60);
    server.calls.length = 0;
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
    expect(server.calls.map((call) => call.split(' ')[0]).sort()).toEqual([
      ...Array.from({ length: 17 }, () => 'GetContent'),
      'HasContent',
    ]);
  });

  it('takes content whose size only its end tells', async () => {
    const remote = open();
    expect(await remote.storeUnsized?.(content.source(), hash, { signal })).toEqual({
      sentBytes: sizeBytes,
      chunks: 1,
      skipped: false,
    });
    const other = seededContent(81, 1000);
    expect(
      await codeOf(Promise.resolve(remote.storeUnsized?.(other.source(), hash.replace(/^./, '0') as typeof hash, { signal }))),
    ).toBe('DIGEST_MISMATCH');
    expect(server.contents.hashes).toEqual([hash]);
  });

  it('lets the server see nothing of content that is wrong: the upload is broken off', async () => {
    const wrong = sourceOf(sizeBytes, (_offset, length) => Buffer.alloc(length, 1));
    expect(await codeOf(open().storeContent(wrong, hash, { sizeBytes, signal }))).toBe('DIGEST_MISMATCH');
    expect(server.contents.hashes).toEqual([]);
    await expect.poll(() => server.openUploads()).toBe(0);
  });

  it('asks the source for no more than it can pass on: a server that takes nothing makes it wait', async () => {
    server.faults = { holdsUploads: true };
    const controller = new AbortController();
    const large = seededContent(86, 16 * MIB);
    let asked = 0;
    const source = sourceOf(large.sizeBytes, large.slice, () => (asked += 1));
    const storing = open().storeContent(source, large.hash, { sizeBytes: large.sizeBytes, signal: controller.signal });
    await expect.poll(() => server.largestMessageBytes()).toBeGreaterThan(0);
    await sleep(300);
    controller.abort(new ClipctlError('ABORTED', 'stopped'));
    expect(await codeOf(storing)).toBe('ABORTED');
    // The server's library takes sixteen messages ahead, 4 MiB; two are ours.
    expect(asked).toBeLessThanOrEqual(6);
    await expect.poll(() => server.openUploads()).toBe(0);
  });

  it('does not say that a range of nothing is there when nothing is', async () => {
    const remote = open();
    await store(remote);
    const nothing = (): Promise<unknown> => remote.getContent(hash, { offset: 5, length: 0, signal });
    expect(await nothing()).toBeDefined();
    server.contents.clear();
    expect(await nothing()).toBeUndefined();
    expect(await open().getContent(hash, { offset: 5, length: 0, signal })).toBeUndefined();
  });

  it.each([0, 1, 2, 3])('finds page %i missing, whatever HasContent says, and stores it again', async (page) => {
    const remote = open();
    await store(remote);
    server.contents.losePage(hash, page);
    expect(await codeOf(read(remote))).toBe(page === 0 ? 'LAYER_NOT_FOUND' : 'CACHE_CORRUPT');
    expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: false });
    expect(await read(remote)).toBe(hash);
  });

  it('warns once of what the server keeps in memory', async () => {
    const warnings: string[] = [];
    const remote = open({ onWarning: (message) => warnings.push(message) }, { warnFromBytes: MIB });
    await store(remote, seededContent(82, MIB - 1));
    expect(warnings).toEqual([]);
    await remote.storeUnsized?.(content.source(), hash, { signal });
    await store(remote, seededContent(83, 2 * MIB));
    expect(warnings).toEqual([expect.stringContaining(server.url)]);
  });

  it('gives back whole pages to their last byte where reads across the end find nothing', async () => {
    await server.close();
    server = await startBlobcacheServer({ missesPageEnds: true });
    const pages = seededContent(84, 4 * MIB);
    await store(open(), pages);
    const remote = open();
    expect(await remote.contentExists(pages.hash, { signal })).toEqual({ sizeBytes: 4 * MIB });
    const end = await remote.getContent(pages.hash, { offset: 4 * MIB - 10, length: 100, signal });
    expect((await drain(end)).first).toEqual(pages.slice(4 * MIB - 10, 10));
  });
});

describe('a blobcache remote that fails', () => {
  it('row 19: fails with CACHE_CORRUPT when the server has found another hash', async () => {
    server.faults = { foundHash: seededContent(85, 1).hash };
    expect(await codeOf(store(open()))).toBe('CACHE_CORRUPT');
  });

  it('row 18: fails before its end when it sends other bytes', async () => {
    const remote = open();
    await store(remote);
    server.faults = { wrongBytes: true };
    expect(await codeOf(read(remote))).toBe('CACHE_CORRUPT');
  });

  it.each([
    ['UNAUTHORIZED', status.UNAUTHENTICATED, false],
    ['FORBIDDEN', status.PERMISSION_DENIED, false],
    ['REMOTE_FAILED', status.UNIMPLEMENTED, false],
    ['REMOTE_FAILED', status.RESOURCE_EXHAUSTED, false],
    ['NETWORK', status.UNAVAILABLE, true],
    ['TIMEOUT', status.DEADLINE_EXCEEDED, true],
  ] as const)('fails with %s for status %i, and does not quote the server', async (code, failure, retryable) => {
    server.faults = { fails: { calls: ['HasContent'], status: failure, details: SECRET } };
    const error = await open()
      .contentExists(hash, { signal })
      .catch((thrown: unknown) => thrown as ClipctlError);
    expect(error).toMatchObject({ code, retryable });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
  });

  it('fails with NETWORK and the reason when nobody listens, and works when somebody does', async () => {
    const remote = open();
    await server.close();
    const error = await remote.contentExists(hash, { signal }).catch((thrown: unknown) => thrown as ClipctlError);
    expect(error).toMatchObject({ code: 'NETWORK', details: { reason: 'ECONNREFUSED' } });
    await server.restart();
    await expect.poll(() => codeOf(remote.contentExists(hash, { signal })), { timeout: 5000 }).toBeUndefined();
  });

  it('fails with NETWORK for a name that does not exist', async () => {
    const remote = open({}, {}, 'blobcache://no-such-host.invalid:1');
    expect(await codeOf(remote.contentExists(hash, { signal }))).toBe('NETWORK');
  });

  it.each(['GetAvailableHosts', 'HasContent', 'GetContentStream', 'StoreContent'])(
    'gives up %s that is never answered, with TIMEOUT',
    async (name) => {
      const budget = new MemoryBudget();
      const remote = open({ timeoutMs: 300, budget });
      if (name === 'GetContentStream') await store(remote);
      server.faults = { hangs: [name] };
      const calling =
        name === 'StoreContent' ? store(remote) : read(name === 'GetAvailableHosts' ? open({ timeoutMs: 300 }) : remote);
      expect(await codeOf(calling)).toBe('TIMEOUT');
      expect(await leasesLeftIn(budget)).toEqual([]);
    },
  );

  it('row 17: shows its token in no error, also when the server quotes it', async () => {
    await server.close();
    server = await startBlobcacheServer({ token: 'another' });
    const error: unknown = await store(open({ environment: { CLIPCTL_BLOBCACHE_TOKEN: SECRET } })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
    expect(server.authorizations).toContain(`Bearer ${SECRET}`);
  });
});

describe('a blobcache remote behind a proxy', () => {
  const URL_BEHIND = 'blobcache://cache.example:80';

  it('is reached through a tunnel of the proxy that ALL_PROXY names', async () => {
    const proxy = await startForwardProxy(server.port);
    const remote = open({ environment: { ALL_PROXY: proxy.url } }, {}, URL_BEHIND);
    await store(remote);
    expect(await read(remote)).toBe(hash);
    expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT cache.example:80']));
    await proxy.close();
  });

  it('is reached straight when NO_PROXY exempts it, or it is on this machine', async () => {
    const proxy = await startForwardProxy(server.port);
    await store(open({ environment: { ALL_PROXY: proxy.url } }));
    const exempt = open({ timeoutMs: 300, environment: { ALL_PROXY: proxy.url, NO_PROXY: 'cache.example' } }, {}, URL_BEHIND);
    expect(await codeOf(read(exempt))).toMatch(/NETWORK|TIMEOUT/);
    expect(proxy.requests).toEqual([]);
    await proxy.close();
  });

  it('logs in to the proxy, and shows the login nowhere', async () => {
    const told: string[] = [];
    const proxy = await startRawServer((socket, bytes) => {
      told.push(bytes.toString('latin1'));
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
    });
    const environment = { ALL_PROXY: `http://me:${SECRET}@127.0.0.1:${proxy.port}` };
    const error: unknown = await store(open({ environment }, {}, URL_BEHIND)).catch((thrown: unknown) => thrown);
    expect(told.join()).toContain(Buffer.from(`me:${SECRET}`).toString('base64'));
    expect(error).toMatchObject({ code: 'NETWORK' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
    await proxy.close();
  });

  it('is refused with USAGE when the proxy speaks TLS', () => {
    expect(() => open({ environment: { ALL_PROXY: 'https://127.0.0.1:1' } }, {}, URL_BEHIND)).toThrow('over TLS');
  });
});
