import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClipctlError, errorCodeOf } from '../../src/lib/errors.ts';
import { createDispatcher, type Dispatcher } from '../../src/lib/http/dispatcher.ts';
import { createHttpClient, discardBody, type HttpClient } from '../../src/lib/http/http-client.ts';
import { bodyOfBytes, type RequestBody } from '../../src/lib/http/request-body.ts';
import { seededContent } from '../cache/seeded-content.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

const signal = new AbortController().signal;
const MIB = 1 << 20;
let server: Server;
let answer: Answer;
let dispatcher: Dispatcher;
let http: HttpClient;
let base: URL;

beforeEach(async () => {
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  dispatcher = createDispatcher({ timeoutMs: 1500, insecureHosts: [] });
  http = createHttpClient(dispatcher);
});
afterEach(async () => {
  await dispatcher.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function hashOf(request: IncomingMessage): Promise<string> {
  const sha = createHash('sha256');
  for await (const piece of request) sha.update(piece as Buffer);
  return sha.digest('hex');
}

/** Pieces of odd sizes in one buffer that is written over as soon as the next piece is asked for. */
function reusedBuffer(
  sizeBytes: number,
  slice: (offset: number, length: number) => Buffer,
): RequestBody & { readonly seen: { returned: number } } {
  const seen = { returned: 0 };
  const sizes = [3, 70_000, MIB, 1, 65_535, 65_536, 300_001];
  return {
    sizeBytes,
    seen,
    async *open() {
      const shared = Buffer.alloc(MIB);
      try {
        for (let at = 0, turn = 0; at < sizeBytes; turn += 1) {
          const length = Math.min(sizes[turn % sizes.length] ?? 1, sizeBytes - at);
          slice(at, length).copy(shared);
          yield shared.subarray(0, length);
          shared.fill(0xee);
          at += length;
          await Promise.resolve();
        }
      } finally {
        seen.returned += 1;
      }
    },
  };
}

describe('a request with a body', () => {
  it('arrives byte for byte with its length, though its pieces lie in one buffer', async () => {
    const { sizeBytes, slice, hash } = seededContent(70, 20 * MIB + 77);
    answer = async (request, response) => {
      await sleep(100);
      response.end(`${request.method} ${request.headers['content-length']} ${await hashOf(request)}`);
    };
    const body = reusedBuffer(sizeBytes, slice);
    const response = await http.send({ method: 'PUT', url: base, headers: {}, signal, body });
    expect(response.status).toBe(200);
    expect(String(await response.body.toArray())).toBe(`PUT ${sizeBytes} ${hash}`);
    expect(body.seen.returned).toBe(1);
  });

  it.each(['PUT', 'POST', 'PATCH'] as const)('may be empty: %s', async (method) => {
    answer = async (request, response) =>
      response.end(`${request.headers['content-length']} ${(await hashOf(request)).slice(0, 4)}`);
    const response = await http.send({ method, url: base, headers: {}, signal, body: bodyOfBytes(new Uint8Array(0)) });
    expect(String(await response.body.toArray())).toBe('0 e3b0');
  });

  it.each([401, 413, 507])('sees the answer %i while it is still being sent, and stops', async (status) => {
    answer = (_request, response) => response.writeHead(status, { 'content-type': 'text/plain' }).end('no');
    let pieces = 0;
    const endless: RequestBody = {
      sizeBytes: 1e12,
      async *open() {
        for (;;) {
          pieces += 1;
          yield Buffer.alloc(MIB);
          await sleep(5);
        }
      },
    };
    const response = await http.send({ method: 'PUT', url: base, headers: {}, signal, body: endless });
    expect(response.status).toBe(status);
    expect(String(await response.body.toArray())).toBe('no');
    const soon = pieces + 5;
    await sleep(300);
    expect(pieces).toBeLessThan(soon);
  });

  it('throws what reading it threw, and nothing else', async () => {
    answer = (request) => request.resume();
    const broken = new ClipctlError('STORAGE_ERROR', 'the disk broke');
    const body: RequestBody = {
      sizeBytes: 3 * MIB,
      async *open() {
        yield Buffer.alloc(MIB);
        await Promise.reject(broken);
      },
    };
    await expect(http.send({ method: 'PUT', url: base, headers: {}, signal, body })).rejects.toBe(broken);
  });

  it.each([MIB - 1, MIB + 1])('of a MiB that was said to have %i bytes fails with SIZE_MISMATCH', async (sizeBytes) => {
    answer = (request) => request.resume();
    const body = { sizeBytes, open: () => bodyOfBytes(Buffer.alloc(MIB)).open() };
    await expect(http.send({ method: 'PUT', url: base, headers: {}, signal, body })).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
  });

  it('stops at an abort and lets its owner go', async () => {
    const controller = new AbortController();
    answer = (request) => request.once('data', () => controller.abort(new ClipctlError('ABORTED', 'stopped')));
    const { sizeBytes, slice } = seededContent(71, 30 * MIB);
    const body = reusedBuffer(sizeBytes, slice);
    const sending = http.send({ method: 'PUT', url: base, headers: {}, signal: controller.signal, body });
    expect(errorCodeOf(await sending.catch((error: unknown) => error))).toBe('ABORTED');
    await sleep(50);
    expect(body.seen.returned).toBe(1);
  });

  it('gives up with TIMEOUT on a server that takes no byte', async () => {
    answer = (request) => request.pause();
    const { sizeBytes, slice } = seededContent(71, 30 * MIB);
    const sending = http.send({ method: 'PUT', url: base, headers: {}, signal, body: reusedBuffer(sizeBytes, slice) });
    expect(errorCodeOf(await sending.catch((error: unknown) => error))).toBe('TIMEOUT');
  });
});

describe('a redirect of a request with a body', () => {
  const moved = (status: number, location: string): void => {
    answer = async (request, response) => {
      const hash = await hashOf(request);
      if (request.url === '/') response.writeHead(status, { location }).end();
      else response.end(`${request.method} ${request.url} ${hash}`);
    };
  };

  it.each([307, 308])('%i to the same server sends the body again', async (status) => {
    moved(status, '/there');
    const { sizeBytes, slice, hash } = seededContent(72, 2 * MIB);
    const response = await http.send({ method: 'PUT', url: base, headers: {}, signal, body: reusedBuffer(sizeBytes, slice) });
    expect(String(await response.body.toArray())).toBe(`PUT /there ${hash}`);
  });

  it.each([
    [301, '/there'],
    [302, '/there'],
    [303, '/there'],
    [307, 'http://127.0.0.2:1/there'],
    [308, 'https://public.example/there'],
  ])('%i to %s is refused', async (status, location) => {
    moved(status, location);
    const sending = http.send({ method: 'PUT', url: base, headers: {}, signal, body: bodyOfBytes(Buffer.from('x')) });
    await expect(sending).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(http.requestCount).toBe(1);
  });

  it('is refused for a DELETE too', async () => {
    moved(302, '/there');
    await expect(http.send({ method: 'DELETE', url: base, headers: {}, signal })).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
  });
});

it.each(['http://169.254.169.254/latest', 'https://169.254.169.254/latest', 'file:///etc/passwd', 'http://[::1', ''])(
  'an answer that leads to %j is let go of when it is refused: the next hundred are not kept waiting',
  async (location) => {
    const open = new Set<object>();
    server.on('connection', (socket) => open.add(socket.once('close', () => open.delete(socket))));
    // Its body goes on for ever.
    answer = (_, response) => response.writeHead(307, { location }).write('x');
    for (let at = 0; at < 100; at++) {
      const asking = http.send({ method: 'GET', url: base, headers: {}, signal });
      await expect(asking).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    }
    await sleep(50);
    expect(open.size).toBeLessThanOrEqual(1);
  },
);

it('every request asks for bytes as they are', async () => {
  answer = (request, response) => response.end(String(request.headers['accept-encoding']));
  for (const method of ['GET', 'DELETE'] as const) {
    const response = await http.send({ method, url: base, headers: {}, signal });
    expect(String(await response.body.toArray())).toBe('identity');
    await discardBody(response);
  }
});
