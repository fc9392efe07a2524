/** Plain HTTP through a proxy keeps to the limits that a direct connection has, and what the proxy says is understood. */
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { RegistryConnection } from '../../src/lib/auth/registry-connection.ts';
import { createDispatcher, type DispatcherOptions } from '../../src/lib/http/dispatcher.ts';
import { createHttpClient, type HttpClient } from '../../src/lib/http/http-client.ts';
import { readBody } from '../../src/lib/http/read-body.ts';
import { makeCertificate } from '../servers/self-signed.ts';
import { startRawServer } from '../servers/raw-server.ts';

const { signal } = new AbortController();
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const startProxy = (answer: RequestListener) => listen(createServer(answer));

function clientOf(environment: Record<string, string>, options: Partial<DispatcherOptions> = {}): HttpClient {
  const dispatcher = createDispatcher({ timeoutMs: 500, insecureHosts: [], certsDirectories: [], environment, ...options });
  closing.push(() => dispatcher.close());
  return createHttpClient(dispatcher);
}

async function get(http: HttpClient, url = 'http://registry.example:5000/v2/'): Promise<string> {
  const response = await http.send({ method: 'GET', url: new URL(url), headers: {}, signal });
  return `${response.status} ${(await readBody(response, 1 << 16, signal)).bytes.toString()}`;
}

describe('a proxy for plain HTTP', () => {
  test('that never answers is TIMEOUT after --timeout, as a server is', async () => {
    const silent = await startRawServer(() => undefined);
    closing.push(() => silent.close());
    const startedAtMs = performance.now();
    await expect(get(clientOf({ HTTP_PROXY: `http://127.0.0.1:${silent.port}` }))).rejects.toMatchObject({ code: 'TIMEOUT' });
    // undici looks at the clock once a second.
    expect(performance.now() - startedAtMs).toBeLessThan(4_500);
  });

  test('is asked for several things at once, each with the host and address it is for', async () => {
    const seen: string[] = [];
    let open = 0;
    let mostOpen = 0;
    const port = await startProxy((request, response) => {
      seen.push(`${request.url} ${request.headers['host']}`);
      mostOpen = Math.max(mostOpen, ++open);
      setTimeout(() => {
        open--;
        response.end('ok');
      }, 200);
    });
    const http = clientOf({ HTTP_PROXY: `http://127.0.0.1:${port}` }, { timeoutMs: 5000 });
    expect(await Promise.all(Array.from({ length: 8 }, () => get(http)))).toEqual(Array<string>(8).fill('200 ok'));
    expect(mostOpen).toBe(8);
    expect(new Set(seen)).toEqual(new Set(['http://registry.example:5000/v2/ registry.example:5000']));
  });

  test('row 22: that wants a login is UNAUTHORIZED and the hint says where to put it', async () => {
    const port = await startProxy((_, response) => response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end());
    const connection = new RegistryConnection({
      http: clientOf({ HTTP_PROXY: `http://127.0.0.1:${port}` }),
      registry: 'registry.example:5000',
      base: new URL('http://registry.example:5000'),
      repository: 'lab/image',
      credentials: () => Promise.resolve(undefined),
      insecureRegistries: [],
      signal,
    });
    const asking = connection.get({ path: 'manifests/v1', what: 'v1', missing: 'IMAGE_NOT_FOUND', headers: {}, signal });
    await expect(asking).rejects.toMatchObject({ code: 'UNAUTHORIZED', hint: expect.stringContaining('HTTP_PROXY') as string });
  });

  test.each([
    ['user:p%40ss', 'user:p@ss'],
    ['50%:100%', '50%:100%'],
    ['user', 'user:'],
    [':token', ':token'],
  ])('is given the login %s', async (written, meant) => {
    const port = await startProxy((request, response) => response.end(request.headers['proxy-authorization']));
    const answer = await get(clientOf({ HTTP_PROXY: `http://${written}@127.0.0.1:${port}` }));
    expect(answer).toBe(`200 Basic ${Buffer.from(meant).toString('base64')}`);
  });

  test('may itself be spoken to over TLS, when its authority is trusted', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clipctl-proxy-'));
    closing.push(() => rm(directory, { recursive: true }));
    const { certFile, keyFile } = makeCertificate(directory);
    const keys = { cert: await readFile(certFile), key: await readFile(keyFile) };
    const port = await listen(createTlsServer(keys, (request, response) => response.end(request.url)));
    const environment = { HTTP_PROXY: `https://localhost:${port}` };
    const askName = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    expect(await get(clientOf(environment, { caFile: certFile, askName }))).toBe('200 http://registry.example:5000/v2/');
    await expect(get(clientOf(environment, { askName }))).rejects.toMatchObject({ code: 'NETWORK' });
  });
});

test('a proxy that never answers CONNECT is let go of when the connections are closed', async () => {
  const open = new Set<object>();
  const silent = await startRawServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  closing.push(() => silent.close());
  const dispatcher = createDispatcher({
    timeoutMs: 60_000,
    insecureHosts: [],
    environment: { HTTPS_PROXY: `http://127.0.0.1:${silent.port}` },
  });
  const asking = get(createHttpClient(dispatcher), 'https://registry.example/v2/').catch((error: unknown) => error);
  while (open.size === 0) await sleep(10);
  await dispatcher.close();
  expect(await asking).toBeInstanceOf(Error);
  for (let waited = 0; open.size > 0 && waited < 100; waited++) await sleep(20);
  expect(open.size).toBe(0);
});
