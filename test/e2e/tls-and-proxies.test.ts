/** RELIABILITY §2 row 22 through the command: proxies and certificates that stand in the way, and what the user is told. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startConnectProxy } from '../servers/connect-proxy.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeCertificate } from '../servers/self-signed.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

let home: Home;
let registry: LoopbackRegistry;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  home = await makeHome();
  const { directory } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }]);
  registry = await startLoopbackRegistry({ repositories: { app: directory } });
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await registry.close();
  await home.remove();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

/** TLS in front of the registry; notes the first byte of each connection: 0x16 begins TLS. */
async function startTls(certFile: string, keyFile: string): Promise<{ port: number; firstBytes: number[] }> {
  const firstBytes: number[] = [];
  const keys = { cert: await readFile(certFile), key: await readFile(keyFile) };
  const tls = createTlsServer(keys, (near) => {
    const far = connect(Number(registry.host.split(':')[1]), '127.0.0.1');
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  tls.on('tlsClientError', () => undefined);
  const door = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes: Buffer) => {
      firstBytes.push(bytes[0] ?? 0);
      socket.pause();
      socket.unshift(bytes);
      tls.emit('connection', socket);
    });
  });
  return { port: await listen(door), firstBytes };
}

/** Resolving is Node's: these names are this machine. */
const NAMES = `data:text/javascript,${encodeURIComponent(`
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const real = dns.lookup;
dns.lookup = (name, options, found) => real(name.endsWith('.example') ? '127.0.0.1' : name, options, found);
syncBuiltinESMExports();
`)}`;

let caches = 0;
async function warm(name: string, flags: readonly string[] = [], env: Record<string, string> = {}): Promise<CliResult> {
  const all = [
    'warm',
    `${name}/app:v1`,
    '--cache-dir',
    home.path(`cache-${caches++}`),
    '--retries',
    '1',
    '--timeout',
    '3s',
    ...flags,
  ];
  return home.run(all, { env: { NODE_OPTIONS: `--import=${NAMES}`, ...env } });
}

/** Exit 6, nothing on stdout, the reason and what would mend it. */
function expectRefused({ code, stdout, stderr }: CliResult, reason: string, hint: string): void {
  expect([code, stdout]).toEqual([6, '']);
  expect(stderr).toContain(reason);
  expect(stderr).toContain(hint);
}

async function makePair(name: string, hosts?: readonly string[]): Promise<{ certFile: string; keyFile: string }> {
  await mkdir(home.path(name), { recursive: true });
  return makeCertificate(home.path(name), hosts);
}

describe('row 22: a certificate', () => {
  it('that nobody known has signed is exit 6 and the hint names --ca-file, which helps; never plain HTTP', async () => {
    const { certFile, keyFile } = await makePair('unknown', ['registry.example']);
    const { port, firstBytes } = await startTls(certFile, keyFile);
    const name = `registry.example:${port}`;
    expectRefused(await warm(name), 'DEPTH_ZERO_SELF_SIGNED_CERT', '--ca-file');
    expect((await warm(name, ['--ca-file', certFile])).code).toBe(0);
    expect((await warm(name, [], { SSL_CERT_FILE: certFile })).code).toBe(0);
    expect((await warm(name, ['--insecure-registry', name])).code).toBe(0);
    expect(new Set(firstBytes)).toEqual(new Set([0x16]));
  });

  it('for another host is exit 6, though its authority is trusted', async () => {
    const { certFile, keyFile } = await makePair('other', ['elsewhere.example']);
    const { port, firstBytes } = await startTls(certFile, keyFile);
    expectRefused(
      await warm(`registry.example:${port}`, ['--ca-file', certFile]),
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'registry.example',
    );
    expect(new Set(firstBytes)).toEqual(new Set([0x16]));
  });

  it('that has expired is exit 6, though its authority is trusted', async () => {
    const { certFile, keyFile } = await makePair('expired', ['registry.example']);
    await writeFile(home.path('expired/names'), 'subjectAltName=DNS:registry.example\n');
    const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: home.path('expired'), stdio: 'ignore' });
    openssl('req', '-new', '-key', keyFile, '-subj', '/CN=registry.example', '-out', 'csr');
    openssl('x509', '-req', '-in', 'csr', '-signkey', keyFile, '-days', '-1', '-extfile', 'names', '-out', certFile);
    const { port, firstBytes } = await startTls(certFile, keyFile);
    expectRefused(await warm(`registry.example:${port}`, ['--ca-file', certFile]), 'CERT_HAS_EXPIRED', 'registry.example');
    expect(new Set(firstBytes)).toEqual(new Set([0x16]));
  });
});

describe('row 22: a port', () => {
  it('that speaks plain HTTP where TLS is wanted is exit 6, is not spoken to in plain HTTP, and the hint names --insecure-registry', async () => {
    const before = registry.requests.length;
    const name = `registry.example:${registry.host.split(':')[1]}`;
    expectRefused(await warm(name), 'NETWORK', `--insecure-registry ${name}`);
    expect(registry.requests).toHaveLength(before);
    expect((await warm(name, ['--insecure-registry', name])).code).toBe(0);
  });

  it('that wants TLS where plain HTTP is spoken, which is on this machine alone, is exit 6 and the hint says so', async () => {
    const { certFile, keyFile } = await makePair('local');
    const { port } = await startTls(certFile, keyFile);
    expectRefused(await warm(`127.0.0.1:${port}`), 'NETWORK', `--insecure-registry 127.0.0.1:${port}`);
    expect((await warm(`127.0.0.1:${port}`, ['--insecure-registry', `127.0.0.1:${port}`])).code).toBe(0);
  });
});

describe('row 22: plain HTTP', () => {
  const notes = ({ stderr }: CliResult): string[] => stderr.split('\n').filter((line) => /^note {2}|"type":"notice"/.test(line));

  it('with a registry on this machine is told once on stderr, whatever the number of requests and images', async () => {
    const cache = ['--cache-dir', home.path(`cache-${caches++}`)];
    const result = await home.run(['warm', `${registry.host}/app:v1`, `${registry.host}/app:v1`, ...cache]);
    expect([result.code, notes(result)]).toEqual([
      0,
      [`note  ${registry.host}: plain HTTP, no TLS, as for every registry on this machine`],
    ]);
    const indexed = await home.run(['index', `${registry.host}/app:v1`, '-o', home.path('noted.clip'), '--json']);
    expect([indexed.code, notes(indexed).length, indexed.stdout.includes('plain HTTP')]).toEqual([0, 1, false]);
    const json = await warm(registry.host, ['--progress', 'json']);
    expect(notes(json).map((line) => JSON.parse(line) as unknown)).toMatchObject([{ type: 'notice' }]);
    expect(notes(await warm(registry.host, ['-q']))).toEqual([]);
  });

  it('with an insecure registry that speaks no TLS is told once, and not with one that does', async () => {
    const name = `registry.example:${registry.host.split(':')[1]}`;
    expect(notes(await warm(name, ['--insecure-registry', name]))).toEqual([
      `note  ${name}: plain HTTP, since it speaks no TLS and is an insecure registry by your word`,
    ]);
    const { certFile, keyFile } = await makePair('noted', ['registry.example']);
    const { port } = await startTls(certFile, keyFile);
    const secure = `registry.example:${port}`;
    const result = await warm(secure, ['--insecure-registry', secure]);
    expect([result.code, notes(result)]).toEqual([0, []]);
  });

  it('with a remote cache in a registry on this machine is told as well', async () => {
    const result = await warm(registry.host, ['--from', `oci://${registry.host.replace('127.0.0.1', 'localhost')}/cache`]);
    expect([result.code, notes(result).length]).toEqual([0, 2]);
  });
});

describe('row 22: a proxy', () => {
  const SECRET = 'canary-proxy-19aa';

  it.each([
    [407, 5, 'UNAUTHORIZED', 'HTTPS_PROXY'],
    [403, 6, 'NETWORK', 'NO_PROXY'],
    [502, 6, 'NETWORK', 'NO_PROXY'],
  ])(
    'that answers %i to CONNECT is exit %i and the hint says what to set; its password is nowhere',
    async (status, exit, code, hint) => {
      const proxy = await startConnectProxy(() => status);
      closing.push(() => proxy.close());
      const env = { HTTPS_PROXY: `http://user:${SECRET}@${proxy.host}` };
      const result = await warm('registry.example', ['-vvv'], env);
      expect(result.code).toBe(exit);
      expect(result.stderr).toContain(`[${code}]`);
      expect(result.stderr).toContain(hint);
      expect(result.stderr).toContain(proxy.host);
      for (const secret of [SECRET, Buffer.from(`user:${SECRET}`).toString('base64')])
        expect(result.stderr).not.toContain(secret);
    },
  );
});

it('a registry at an IPv6 address is spoken to, by warm and by index', async () => {
  const server = createTcpServer((near) => {
    const far = connect(Number(registry.host.split(':')[1]), '127.0.0.1');
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '::1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const name = `[::1]:${(server.address() as AddressInfo).port}`;
  expect((await warm(name)).code).toBe(0);
  expect((await warm(`docker://${name}`)).code).toBe(0);
  const output = home.path('six.clip');
  expect((await home.run(['index', `${name}/app:v1`, '-o', output])).code).toBe(0);
  expect((await readFile(output)).byteLength).toBeGreaterThan(100);
});
