/**
 * RELIABILITY §1.3 rows 14 and 15, the tables: a registry on a public name, over TLS and a proxy, that wants to lead us into the
 * network we stand in, down to plain HTTP, or our login to somebody else. The proxy sees every connection that is wanted.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startConnectProxy, type ConnectProxy } from '../servers/connect-proxy.ts';
import {
  startLoopbackRegistry,
  type FaultScript,
  type LoopbackAuth,
  type LoopbackRegistry,
} from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { startTlsFront, type TlsFront } from '../servers/tls-front.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const REGISTRY = 'registry.example';
const CAPTURE = 'capture.example';
const LOGIN = { username: 'robot', password: 'canary-password-c2f0' };
const BASIC = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64');

let home: Home;
let directory: string;
let capture: LoopbackRegistry;
let captureFront: TlsFront;
beforeAll(async () => {
  home = await makeHome();
  ({ directory } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }, { files: { b: 'b' } }]));
  capture = await startLoopbackRegistry({ repositories: { app: directory } });
  captureFront = await startTlsFront(Number(capture.host.split(':')[1]), [CAPTURE]);
  await mkdir(home.path('docker'));
  const document = { auths: { [REGISTRY]: { auth: BASIC } }, HttpHeaders: { 'X-Meta-Token': 'canary-header' } };
  await writeFile(home.path('docker/config.json'), JSON.stringify(document));
});
afterAll(async () => {
  await captureFront.close();
  await capture.close();
  await home.remove();
});

let seenBefore = 0;
let caches = 0;
beforeEach(() => {
  seenBefore = capture.requests.length;
});

interface Run extends CliResult {
  readonly registry: LoopbackRegistry;
  readonly proxy: ConnectProxy;
}

/** A warm from the registry on a public name. */
async function warm(options: { readonly script?: FaultScript; readonly auth?: LoopbackAuth }): Promise<Run> {
  const registry = await startLoopbackRegistry({ repositories: { app: directory }, ...options });
  const front = await startTlsFront(Number(registry.host.split(':')[1]), [REGISTRY]);
  const portOf = (host: string): number => Number(host.split(':')[1]);
  const proxy = await startConnectProxy((target) => {
    if (target === `${REGISTRY}:443`) return portOf(front.host);
    return target === `${CAPTURE}:443` ? portOf(captureFront.host) : 502;
  });
  const caFile = home.path('ca.pem');
  await writeFile(caFile, (await Promise.all([front.caFile, captureFront.caFile].map((path) => readFile(path)))).join('\n'));
  const flags = [
    '--ca-file',
    caFile,
    '--cache-dir',
    home.path(`cache-${caches++}`),
    '--retries',
    '0',
    '--timeout',
    '5s',
    '-vvv',
    '--json',
  ];
  const env = { HTTPS_PROXY: `http://${proxy.host}`, HTTP_PROXY: `http://${proxy.host}`, DOCKER_CONFIG: home.path('docker') };
  const result = await home.run(['warm', `${REGISTRY}/app:v1`, ...flags], { env });
  await Promise.all([proxy.close(), front.close(), registry.close()]);
  return { ...result, registry, proxy };
}

const isBlob = (path: string): boolean => path.includes('/blobs/');
const captured = (): string => JSON.stringify(capture.requests.slice(seenBefore));

function expectNoSecret(run: Run): void {
  const tokens = run.registry.requests.flatMap(
    ({ headers }) => /^Bearer (.*)$/.exec(String(headers['authorization']))?.[1] ?? [],
  );
  for (const secret of [LOGIN.password, BASIC, 'canary-header', ...tokens]) {
    expect(captured()).not.toContain(secret);
    expect(run.stdout + run.stderr).not.toContain(secret);
  }
}

/** Where nobody on the public network may lead us. */
const PLACES = [
  'https://10.0.0.1/x',
  'https://192.168.1.1:8443/x',
  'https://127.0.0.1:1/x',
  'https://[::1]:1/x',
  'https://localhost/x',
  'https://0.0.0.0/x',
  'https://0x7f.1/x',
  'https://[::ffff:10.0.0.1]/x',
  'https://169.254.169.254/latest/meta-data',
  'https://metadata.google.internal/x',
  'https://vault.internal/x',
  // Down from TLS.
  `http://${REGISTRY}/x`,
  `http://${CAPTURE}/x`,
  'http://169.254.169.254/latest',
  'file:///etc/passwd',
];

it('a registry on a public name works through the proxy, with a login', async () => {
  const run = await warm({ auth: { kind: 'bearer', ...LOGIN, realm: `https://${REGISTRY}/token` } });
  expect([run.code, run.json()['error'], new Set(run.proxy.targets)]).toEqual([0, undefined, new Set([`${REGISTRY}:443`])]);
  expectNoSecret(run);
});

describe.each(PLACES)('%s', (place) => {
  it('row 14: is not where a blob is fetched from: exit 6, no connection there', async () => {
    const run = await warm({ script: ({ path }) => (isBlob(path) ? { status: 307, headers: { location: place } } : undefined) });
    expect([run.code, run.json().error?.code]).toEqual([6, 'REGISTRY_ERROR']);
    expect(run.json().error?.message).toContain('refused');
    expect(new Set(run.proxy.targets)).toEqual(new Set([`${REGISTRY}:443`]));
  });

  it('row 15: is not where credentials are sent to: exit 5, no connection there', async () => {
    const run = await warm({ auth: { kind: 'bearer', ...LOGIN, realm: place } });
    expect([run.code, run.json().error?.code]).toEqual([5, 'UNAUTHORIZED']);
    expect(new Set(run.proxy.targets)).toEqual(new Set([`${REGISTRY}:443`]));
    expectNoSecret(run);
  });
});

describe('row 15: another server on the public network', () => {
  it('gets no login by a redirect of the token server', async () => {
    const script: FaultScript = ({ path }) =>
      path === '/token' ? { status: 307, headers: { location: `https://${CAPTURE}/token` } } : undefined;
    const run = await warm({ auth: { kind: 'bearer', ...LOGIN, realm: `https://${REGISTRY}/token` }, script });
    expect([run.code, captured()]).toEqual([6, '[]']);
    expectNoSecret(run);
  });

  it('gets blobs to serve, and 0 secret bytes', async () => {
    const script: FaultScript = ({ path, headers }) =>
      isBlob(path) && headers['authorization'] !== undefined
        ? { status: 307, headers: { location: `https://user:planted@${CAPTURE}${path}` } }
        : undefined;
    const run = await warm({ auth: { kind: 'bearer', ...LOGIN, realm: `https://${REGISTRY}/token` }, script });
    expect([run.code, run.json()['error']]).toEqual([0, undefined]);
    expect(captured()).toContain('/blobs/');
    expect(captured()).not.toMatch(/authorization|cookie/i);
    expectNoSecret(run);
  });

  it('gets no login by a 401 of its own after a redirect', async () => {
    const script: FaultScript = ({ path }) =>
      isBlob(path) ? { status: 307, headers: { location: `https://${CAPTURE}${path}` } } : undefined;
    capture.script = () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="give it to me"' } });
    const run = await warm({ auth: { kind: 'basic', ...LOGIN }, script });
    capture.script = undefined;
    expect(run.code).toBe(5);
    expect(captured()).not.toMatch(/authorization|cookie/i);
    expectNoSecret(run);
  });
});
