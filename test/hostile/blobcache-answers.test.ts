/** RELIABILITY §1.3 row 31: whatever a blobcache server says ends in an error, within a bound of memory and time. */
import { inspect } from 'node:util';
import type { ServerHttp2Stream } from 'node:http2';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { openBlobcacheRemote } from '../../src/lib/cache/remote/blobcache/blobcache-remote.ts';
import type { ClipctlError } from '../../src/lib/errors.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { codeOf, signal } from '../cache/cache-directory.ts';
import { leasesLeftIn } from '../cache/remote/budget-left.ts';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import { drain, seededContent } from '../cache/seeded-content.ts';
import { startBlobcacheServer, type BlobcacheServer } from '../servers/blobcache-server.ts';
import { answerRaw, framed, startRawGrpc, type RawGrpcServer } from '../servers/raw-grpc.ts';
import { startRawServer } from '../servers/raw-server.ts';

const MIB = 1 << 20;
const content = seededContent(95, 3 * MIB);
const { hash, sizeBytes } = content;
const closing: { close(): Promise<void> }[] = [];
const budget = new MemoryBudget();

afterEach(async () => {
  for (const each of closing.splice(0)) await each.close();
  expect(await leasesLeftIn(budget)).toEqual([]);
});

function opened(url: string): ContentCache {
  const remote = openBlobcacheRemote(new URL(url), contextForTest({ timeoutMs: 1000, budget }));
  closing.unshift(remote);
  return remote;
}

async function raw(answer: (stream: ServerHttp2Stream, method: string) => void): Promise<ContentCache> {
  const server: RawGrpcServer = await startRawGrpc((stream, method) => {
    // No list of hosts: the calls that count go to this one.
    if (method === 'GetAvailableHosts') answerRaw(stream, framed(Buffer.alloc(0)));
    else answer(stream, method);
  });
  closing.push(server);
  return opened(server.url);
}

async function growthDuring(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  await work();
  return process.memoryUsage().rss - before;
}

describe('row 31: a blobcache server', () => {
  it.each([
    ['a message of 4 GiB', framed(Buffer.alloc(1000), { length: 2 ** 32 - 1 })],
    ['a message of 64 MiB and a byte', framed(Buffer.alloc(1000), { length: 64 * MIB + 1 })],
    ['a message longer than anything that is asked for', framed(Buffer.alloc(MIB))],
    ['a field of 4 GiB', framed(Buffer.from([0x12, 0x80, 0x80, 0x80, 0x80, 0x10, 1]))],
    ['a message that is none', framed(Buffer.from('<html>welcome</html>'))],
    ['a message that is cut', framed(Buffer.from([0x08, 0x01]), { length: 100 })],
    ['half a length', Buffer.from([0, 0, 0])],
    ['two answers', Buffer.concat([framed(Buffer.from([0x10, 0x01])), framed(Buffer.from([0x10, 0x01]))])],
    ['no answer', Buffer.alloc(0)],
    ['packed bytes that are none', framed(Buffer.from([0x10, 0x01]), { flag: 1 })],
  ])('that answers with %s gives an error, in no memory', async (_what, body) => {
    const remote = await raw((stream) => answerRaw(stream, body));
    let code: unknown;
    const grown = await growthDuring(async () => {
      code = await codeOf(remote.contentExists(hash, { signal }));
    });
    expect(['REMOTE_FAILED', 'TIMEOUT']).toContain(code);
    expect(grown).toBeLessThan(32 * MIB);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)(
    'that sends 600 MiB packed as %s gives an error, in little memory',
    async (encoding, pack) => {
      const bomb = pack(Buffer.alloc(600 * MIB));
      const remote = await raw((stream) =>
        answerRaw(stream, framed(bomb, { flag: 1 }), { headers: { 'grpc-encoding': encoding } }),
      );
      let code: unknown;
      const grown = await growthDuring(async () => {
        code = await codeOf(remote.contentExists(hash, { signal }));
      });
      expect(code).toBe('REMOTE_FAILED');
      expect(grown).toBeLessThan(64 * MIB);
    },
    30_000,
  );

  it.each([
    ['a page of HTML', { ':status': '200', 'content-type': 'text/html' }],
    ['a failing proxy', { ':status': '502', 'content-type': 'text/html' }],
    ['a login page', { ':status': '401', 'content-type': 'text/html' }],
  ])('that is %s gives an error', async (_what, headers) => {
    const remote = await raw((stream) => {
      stream.respond(headers);
      stream.end('<html>welcome</html>');
    });
    expect(['REMOTE_FAILED', 'NETWORK', 'UNAUTHORIZED']).toContain(await codeOf(remote.contentExists(hash, { signal })));
  });

  it.each([
    ['no status', {}],
    ['a status that is no number', { 'grpc-status': 'canary' }],
    ['a status that nobody knows', { 'grpc-status': '4711' }],
    ['a message with line ends', { 'grpc-status': '13', 'grpc-message': '%0D%0Acanary%1B[31m' }],
    ['a message of a token', { 'grpc-status': '16', 'grpc-message': 'Bearer canary' }],
  ])('that ends a call with %s gives an error that quotes nothing', async (_what, trailers) => {
    const remote = await raw((stream) => answerRaw(stream, Buffer.alloc(0), { trailers }));
    const error = await remote.contentExists(hash, { signal }).catch((thrown: unknown) => thrown as ClipctlError);
    expect(error).toMatchObject({ name: 'ClipctlError' });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary');
  });

  it.each([
    ['a web page', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>'],
    ['zeros', '\0'.repeat(10_000)],
    // SETTINGS, then HEADERS of stream 1 (literal, not indexed): the value of x holds CR LF.
    ['metadata with line ends', '\0\0\0\x04\0\0\0\0\0\0\0\x0e\x01\x04\0\0\0\x01\x88\x10\x01x\x09a\r\nb: c\r\n'],
    ['a frame of 16 MiB', `\0\0\0\x04\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\x01${'x'.repeat(100_000)}`],
  ])('that says %s where HTTP/2 should be gives an error', async (_what, bytes) => {
    const server = await startRawServer((socket) => socket.write(Buffer.from(bytes, 'latin1')));
    closing.push(server);
    const remote = opened(`blobcache://127.0.0.1:${server.port}`);
    expect(['NETWORK', 'REMOTE_FAILED', 'TIMEOUT']).toContain(await codeOf(remote.contentExists(hash, { signal })));
  });
});

describe('row 31: a blobcache server that has the content', () => {
  async function holding(): Promise<{ server: BlobcacheServer; remote: ContentCache }> {
    const server = await startBlobcacheServer();
    closing.push(server);
    const remote = opened(server.url);
    await remote.storeContent(content.source(), hash, { sizeBytes, signal });
    return { server, remote };
  }
  const read = (remote: ContentCache): Promise<unknown> => remote.getContent(hash, { signal }).then(drain);

  it.each([
    ['never ends a stream', { endless: 'content' }, 'CACHE_CORRUPT'],
    ['sends messages without a byte and never ends', { endless: 'empty' }, 'TIMEOUT'],
    ['cuts streams', { cutAfterBytes: 100_000 }, 'NETWORK'],
    ['sends other bytes', { wrongBytes: true }, 'CACHE_CORRUPT'],
  ] as const)('and %s ends in an error, in little memory', async (_what, faults, expected) => {
    const { server, remote } = await holding();
    server.faults = faults;
    let code: unknown;
    const grown = await growthDuring(async () => {
      code = await codeOf(read(remote));
    });
    expect(code).toBe(expected);
    expect(grown).toBeLessThan(128 * MIB);
    await expect.poll(() => server.openReads()).toBe(0);
  });

  it('and has found another hash is not believed', async () => {
    const { server, remote } = await holding();
    for (const foundHash of ['', 'canary\u001b[31m', seededContent(96, 5).hash, `${hash} `]) {
      server.faults = { foundHash };
      const storing = remote.storeContent(content.source(), hash, { sizeBytes, signal, replace: true });
      const error = await storing.catch((thrown: unknown) => thrown as ClipctlError);
      expect(error).toMatchObject({ code: 'CACHE_CORRUPT' });
      expect(inspect(error, { depth: 10 })).not.toContain('canary');
    }
  });

  it('and answers a store before it has the content is not believed', async () => {
    const remote = await raw((stream, method) => {
      if (method === 'StoreContent') answerRaw(stream, framed(Buffer.from([0x12, 64, ...Buffer.from(hash)])));
      else answerRaw(stream, framed(Buffer.alloc(0)));
    });
    expect(await codeOf(remote.storeContent(content.source(), hash, { sizeBytes, signal }))).toMatch(/REMOTE_FAILED|NETWORK/);
  });
});
