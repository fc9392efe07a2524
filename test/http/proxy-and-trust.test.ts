import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDispatcher, type DispatcherOptions } from '../../src/lib/http/dispatcher.ts';
import { createHttpClient } from '../../src/lib/http/http-client.ts';
import { readBody } from '../../src/lib/http/read-body.ts';

const PASSWORD = 'canary-proxy-31c4';
const signal = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];
let folder: string;
let secure: Server;
let securePort: number;

/** Names of the test are this machine. */
const askName = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clipctl-trust-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test-ca',
  );
  for (const [name, san] of [
    ['server', 'DNS:registry.example,IP:127.0.0.1'],
    ['other', 'DNS:elsewhere.example'],
  ] as const) {
    await writeFile(join(folder, `${name}.ext`), `subjectAltName=${san}\n`);
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    );
  }
  secure = await startSecure('server', false);
  securePort = portOf(secure);
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(async () => {
  await stop(secure);
  await rm(folder, { recursive: true });
});

async function startSecure(name: string, requestCert: boolean): Promise<Server> {
  const file = (suffix: string) => readFile(join(folder, `${name}.${suffix}`));
  const options = {
    key: await file('key'),
    cert: await file('pem'),
    ca: await readFile(join(folder, 'ca.pem')),
    requestCert,
    rejectUnauthorized: requestCert,
  };
  const server = createTlsServer(options, (request, response) => response.end(`secure ${request.headers['host'] ?? ''}`));
  server.on('tlsClientError', () => undefined);
  return listen(server);
}

async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

interface Proxy {
  readonly port: number;
  readonly seen: string[];
}

/** A forward proxy: CONNECT and absolute-form requests, to this machine whatever the name. */
async function startProxy(status = 200): Promise<Proxy> {
  const seen: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    response.writeHead(status === 200 ? 200 : status).end('through the proxy');
  });
  server.on('connect', (request: IncomingMessage, client, head) => {
    seen.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await listen(server);
  closing.push(() => stop(server));
  return { port: portOf(server), seen };
}

async function get(url: string, options: Partial<DispatcherOptions>): Promise<string> {
  const dispatcher = createDispatcher({ timeoutMs: 5_000, insecureHosts: [], askName, certsDirectories: [], ...options });
  closing.push(() => dispatcher.close());
  const response = await createHttpClient(dispatcher).send({ method: 'GET', url: new URL(url), headers: {}, signal });
  const { bytes } = await readBody(response, 1 << 16, signal);
  return `${response.status} ${bytes.toString('utf8')}`;
}

const registry = () => `https://registry.example:${securePort}/v2/`;
const caFile = () => join(folder, 'ca.pem');

describe('trust', () => {
  test('row 22: an unknown authority is refused and the message says which setting fixes it; --ca-file does', async () => {
    await expect(get(registry(), {})).rejects.toMatchObject({
      code: 'NETWORK',
      retryable: false,
      hint: expect.stringContaining('--ca-file') as string,
    });
    expect(await get(registry(), { caFile: caFile() })).toContain('secure registry.example');
  });

  test('SSL_CERT_FILE is the list of authorities', async () => {
    expect(await get(registry(), { environment: { SSL_CERT_FILE: caFile() } })).toContain('200 secure');
  });

  test('row 22: a certificate for another name is refused', async () => {
    const other = await startSecure('other', false);
    closing.push(() => stop(other));
    await expect(get(`https://registry.example:${portOf(other)}/`, { caFile: caFile() })).rejects.toMatchObject({
      code: 'NETWORK',
    });
  });

  test('certs.d/HOST: its authorities are trusted for that host alone, its client certificate is shown', async () => {
    const mutual = await startSecure('server', true);
    closing.push(() => stop(mutual));
    const host = `registry.example:${portOf(mutual)}`;
    const directory = join(folder, 'certs.d');
    await mkdir(join(directory, host), { recursive: true });
    await writeFile(join(directory, host, 'ca.crt'), await readFile(caFile()));
    await expect(get(`https://${host}/`, { certsDirectories: [directory] })).rejects.toMatchObject({ code: 'NETWORK' });
    await writeFile(join(directory, host, 'client.cert'), await readFile(join(folder, 'other.pem')));
    await writeFile(join(directory, host, 'client.key'), await readFile(join(folder, 'other.key')));
    expect(await get(`https://${host}/`, { certsDirectories: [directory] })).toContain('200 secure');
    await expect(get(registry(), { certsDirectories: [directory] })).rejects.toMatchObject({ code: 'NETWORK' });
  });

  test.each(['/nonexistent/ca.pem', '/etc/hostname', '/tmp'])('--ca-file %s is CONFIG_INVALID', async (path) => {
    await expect(get(registry(), { caFile: path })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('a proxy', () => {
  test('tunnels TLS, with the login of its URL, and sees nothing else', async () => {
    const proxy = await startProxy();
    const environment = { HTTPS_PROXY: `http://user:${PASSWORD}@127.0.0.1:${proxy.port}` };
    expect(await get(registry(), { caFile: caFile(), environment })).toContain('200 secure');
    const login = Buffer.from(`user:${PASSWORD}`).toString('base64');
    expect(proxy.seen).toEqual([`CONNECT registry.example:${securePort} Basic ${login}`]);
  });

  test('gets plain HTTP whole', async () => {
    const proxy = await startProxy();
    const environment = { HTTP_PROXY: `http://127.0.0.1:${proxy.port}` };
    expect(await get('http://registry.example:5000/v2/', { environment })).toBe('200 through the proxy');
    expect(proxy.seen[0]).toContain('GET http://registry.example:5000/v2/');
  });

  test('row 22: that wants a login is UNAUTHORIZED, any other refusal NETWORK; its password is in no error', async () => {
    const [wantsLogin, forbids] = [await startProxy(407), await startProxy(403)];
    const environment = (port: number) => ({ HTTPS_PROXY: `http://user:${PASSWORD}@127.0.0.1:${port}` });
    const refused = get(registry(), { environment: environment(wantsLogin.port) });
    await expect(refused).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    const error: unknown = await refused.catch((caught: unknown) => caught);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(PASSWORD);
    await expect(get(registry(), { environment: environment(forbids.port) })).rejects.toMatchObject({ code: 'NETWORK' });
  });

  test('is not used for what NO_PROXY names', async () => {
    const proxy = await startProxy();
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: '.example' };
    expect(await get(registry(), { caFile: caFile(), environment })).toContain('200 secure');
    expect(proxy.seen).toEqual([]);
  });
});
