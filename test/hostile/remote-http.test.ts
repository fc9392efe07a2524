import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AccessMode } from '../../src/lib/cache/access-mode.ts';
import type { RemoteCache } from '../../src/lib/cache/remote-cache.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { createDispatcher, type Dispatcher } from '../../src/lib/http/dispatcher.ts';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import { drain, seededContent } from '../cache/seeded-content.ts';
import { startCasServer, type CasServer } from '../servers/cas-server.ts';

const signal = new AbortController().signal;
const content = seededContent(90, 300_000);
const { hash, sizeBytes } = content;
const bytes = content.slice(0, sizeBytes);
let server: CasServer;
let dispatcher: Dispatcher;

beforeEach(async () => {
  server = await startCasServer();
  server.contents.set(hash, bytes);
  dispatcher = createDispatcher({ timeoutMs: 1000, insecureHosts: [] });
});
afterEach(async () => {
  await dispatcher.close();
  await server.close();
});

const open = (mode: AccessMode = 'rw'): Promise<RemoteCache> => openRemote(server.url, contextForTest({ dispatcher }), { mode });
const read = async (remote: RemoteCache): Promise<string> => {
  const reading = remote.getContent(hash, { signal }).then(drain);
  return reading.then(
    () => 'read',
    (error: unknown) => errorCodeOf(error),
  );
};
const onGet = (answer: (request: IncomingMessage, response: ServerResponse) => void): void => {
  server.script = (request, response) => {
    if (request.method !== 'GET') return false;
    answer(request, response);
    return true;
  };
};

describe('row 18: a remote cache that was poisoned', () => {
  const cases: [string, Buffer][] = [
    ['other bytes', Buffer.alloc(sizeBytes, 1)],
    ['cut content', bytes.subarray(0, -1)],
    ['longer content', Buffer.concat([bytes, Buffer.from('x')])],
    ["another key's content", seededContent(91, 1000).slice(0, 1000)],
    ['nothing', Buffer.alloc(0)],
  ];
  it.each(cases)('with %s fails as CACHE_CORRUPT before the end, and counts it', async (_what, poison) => {
    server.contents.set(hash, poison);
    const remote = await open();
    expect(await read(remote)).toBe('CACHE_CORRUPT');
    expect(remote.counters).toMatchObject({ corrupt: 1, failures: 0 });
  });

  it('with a page of HTML and 200 fails as CACHE_CORRUPT', async () => {
    onGet((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>welcome</html>'));
    expect(await read(await open())).toBe('CACHE_CORRUPT');
  });

  it('is mended by a store that replaces', async () => {
    server.contents.set(hash, Buffer.from('poison'));
    const remote = await open();
    expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: true });
    expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal, replace: true })).toMatchObject({
      skipped: false,
    });
    expect(await read(remote)).toBe('read');
  });
});

describe('row 19: a remote cache', () => {
  it('in mode ro is sent no write, and a store says that it was skipped for this', async () => {
    server.contents.clear();
    const remote = await open('ro');
    const stored = await remote.storeContent(content.source(), hash, { sizeBytes, signal });
    expect(stored).toEqual({ sentBytes: 0, chunks: 0, skipped: true, readOnly: true });
    expect('deleteContent' in remote).toBe(false);
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(server.requests.map((line) => line.split(' ')[0])).toEqual(['HEAD']);
  });

  it('in mode wo is asked for nothing', async () => {
    const remote = await open('wo');
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(await remote.getContent(hash, { signal })).toBeUndefined();
    expect(server.requests).toEqual([]);
  });
});

describe('row 32: an answer to a range', () => {
  const rangeOf = (status: number, headers: Record<string, string | number>, body: Buffer): Promise<string> => {
    onGet((_request, response) => response.writeHead(status, headers).end(body));
    return open()
      .then((remote) => remote.getContent(hash, { offset: 1000, length: 100, signal }))
      .then(drain)
      .then(
        ({ first }) => (first.equals(content.slice(1000, 100)) ? 'right' : 'wrong bytes'),
        (error: unknown) => errorCodeOf(error),
      );
  };
  const right = content.slice(1000, 100);

  it('that is right is given', async () => {
    expect(await rangeOf(206, { 'content-range': `bytes 1000-1099/${sizeBytes}` }, right)).toBe('right');
  });

  it.each([
    ['another start', `bytes 999-1098/${sizeBytes}`],
    ['another end', `bytes 1000-1199/${sizeBytes}`],
    ['another size', `bytes 1000-1099/99999999`],
    ['no numbers', 'bytes x-y/z'],
    ['another unit', 'pages 1000-1099/*'],
  ])('with %s is refused, never spliced', async (_what, contentRange) => {
    expect(await rangeOf(206, { 'content-range': contentRange }, right)).toBe('REMOTE_FAILED');
  });

  it('without Content-Range is refused', async () => {
    expect(await rangeOf(206, {}, right)).toBe('REMOTE_FAILED');
  });

  it('that is the whole content is refused, and the server is not asked for ranges again', async () => {
    onGet((_request, response) => response.writeHead(200).end(bytes));
    const remote = await open();
    expect(remote.capabilities.ranges).toBe(true);
    const asked = (): Promise<unknown> => remote.getContent(hash, { offset: 1000, length: 100, signal });
    await expect(asked()).rejects.toMatchObject({ code: 'REMOTE_FAILED' });
    expect(remote.capabilities.ranges).toBe(false);
    await expect(asked()).rejects.toMatchObject({ code: 'REMOTE_FAILED' });
    expect(server.requests.filter((line) => line.startsWith('GET'))).toHaveLength(1);
  });

  it('with fewer bytes than it says fails', async () => {
    const headers = { 'content-range': `bytes 1000-1099/${sizeBytes}`, 'transfer-encoding': 'chunked' };
    expect(await rangeOf(206, headers, right.subarray(1))).toBe('CACHE_CORRUPT');
  });
});

describe('row 32: an answer with the whole content', () => {
  it('that is encoded is refused, whatever it decodes to', async () => {
    onGet((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes));
    expect(await read(await open())).toBe('REMOTE_FAILED');
  });

  it.each([
    ['a length that no content has', 'HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a chunk of 2^60 bytes', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1000000000000000\r\nx'],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx'],
    ['less than it says', `HTTP/1.1 200 OK\r\ncontent-length: ${sizeBytes}\r\n\r\nx`],
    ['nothing of HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ])('with %s fails, and nothing crashes or waits', async (_what, text) => {
    onGet((request) => void request.socket.end(text));
    expect(await read(await open())).toMatch(/^(NETWORK|TIMEOUT|CACHE_CORRUPT|REMOTE_FAILED|SIZE_MISMATCH)$/);
  });

  it('that never ends is left at the length it gave', async () => {
    let sent = 0;
    onGet((_request, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      const more = (): void => {
        sent += 1;
        if (!response.destroyed) response.write(Buffer.alloc(1000), () => setTimeout(more, 1));
      };
      more();
    });
    const remote = await open();
    const stream = await remote.getContent(hash, { signal });
    for await (const _piece of stream ?? []) break;
    await sleep(100);
    const soon = sent;
    await sleep(100);
    expect(sent).toBe(soon);
  });
});

describe('row 16: a remote cache that fails', () => {
  it('three times is left alone, with one and the same error, and without a request', async () => {
    server.script = (_request, response) => {
      response.writeHead(500).end('broken');
      return true;
    };
    const remote = await open();
    const failures: unknown[] = [];
    for (let calls = 0; calls < 6; calls += 1) {
      failures.push(await remote.contentExists(hash, { signal }).catch((error: unknown) => error));
    }
    expect(server.requests).toHaveLength(9);
    expect(failures[3]).toMatchObject({ code: 'REMOTE_FAILED', message: expect.stringContaining('left alone') as string });
    expect(failures[4]).toBe(failures[3]);
    expect(remote.counters).toMatchObject({ requests: 9, failures: 6 });
  });

  it('three writes in a row gets no more of them, and is still read', async () => {
    const other = seededContent(92, 1000);
    server.script = (request, response) => {
      if (request.method !== 'PUT' && request.method !== 'DELETE') return false;
      request.resume();
      response.writeHead(403).end();
      return true;
    };
    const remote = await open();
    const store = (): Promise<unknown> =>
      remote.storeContent(other.source(), other.hash, { sizeBytes: 1000, signal }).catch((error: unknown) => error);
    const failures: unknown[] = [];
    for (let calls = 0; calls < 5; calls += 1) failures.push(await store());
    expect(server.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(3);
    expect(failures[3]).toMatchObject({ code: 'REMOTE_FAILED', message: expect.stringContaining('no more writes') as string });
    expect(failures[4]).toBe(failures[3]);
    expect([await read(remote), await read(remote)]).toEqual(['read', 'read']);
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('once or twice is tried again', async () => {
    let left = 2;
    server.script = (_request, response) => {
      if (left-- <= 0) return false;
      response.writeHead(503).end();
      return true;
    };
    expect(await read(await open())).toBe('read');
  });

  it.each([401, 403, 413, 507])('to store with %i sees it before all is sent, and is not asked again', async (status) => {
    server.contents.clear();
    server.script = (request, response) => {
      if (request.method !== 'PUT') return false;
      response.writeHead(status).end('no');
      return true;
    };
    const remote = await open();
    await expect(remote.storeContent(content.source(), hash, { sizeBytes, signal })).rejects.toMatchObject({ retryable: false });
    expect(server.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
  });
});

it('a login of the URL is sent, and neither the URL nor an error shows it', async () => {
  const seen: (string | undefined)[] = [];
  server.script = (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(401).end(`you said hunter2 and ${request.headers.authorization}`);
    return true;
  };
  const remote = await openRemote(server.url.replace('//', '//me:hunter2@'), contextForTest({ dispatcher }));
  const error: unknown = await remote.getContent(hash, { signal }).catch((thrown: unknown) => thrown);
  expect(seen).toEqual([`Basic ${Buffer.from('me:hunter2').toString('base64')}`]);
  expect(errorCodeOf(error)).toBe('UNAUTHORIZED');
  for (const shown of [remote.url, inspect(error, { depth: 10, showHidden: true })]) {
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain(Buffer.from('me:hunter2').toString('base64'));
  }
});
