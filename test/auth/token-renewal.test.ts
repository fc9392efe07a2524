import { afterEach, describe, expect, test } from 'vitest';
import type { CredentialProvider } from '../../src/lib/auth/credentials.ts';
import { Authorizer } from '../../src/lib/auth/authorizer.ts';
import { createDispatcher } from '../../src/lib/http/dispatcher.ts';
import { createHttpClient } from '../../src/lib/http/http-client.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { RegistryConnection } from '../../src/lib/auth/registry-connection.ts';
import { readBody } from '../../src/lib/http/read-body.ts';
import { startLoopbackRegistry, type LoopbackAuth, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { layoutOf } from '../source/open-for-test.ts';

const IDENTITY = 'canary-identity-90ff';
const signal = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function start(auth: LoopbackAuth): Promise<LoopbackRegistry> {
  const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') }, auth });
  closing.push(() => registry.close());
  return registry;
}

function connect(registry: LoopbackRegistry, credentials: CredentialProvider): RegistryConnection {
  const dispatcher = createDispatcher({ timeoutMs: 5_000, insecureHosts: [] });
  closing.push(() => dispatcher.close());
  const http = createHttpClient(dispatcher);
  return new RegistryConnection({
    http,
    registry: registry.host,
    repository: 'lab/image',
    credentials,
    insecureRegistries: [],
    signal,
  });
}

async function manifest(connection: RegistryConnection): Promise<number> {
  const response = await connection.get({
    path: 'manifests/v1',
    what: 'manifest v1',
    missing: 'IMAGE_NOT_FOUND',
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    signal,
  });
  await readBody(response, 1 << 20, signal);
  return response.status;
}

const sleep = (waitMs: number) => new Promise((resolve) => setTimeout(resolve, waitMs));

describe('an identity token', () => {
  test('is exchanged by POST for an access token, and never sent anywhere else', async () => {
    const registry = await start({ kind: 'bearer', username: 'nobody', password: 'x', identityToken: IDENTITY });
    expect(await manifest(connect(registry, () => Promise.resolve({ identityToken: IDENTITY })))).toBe(200);
    const tokens = registry.requests.filter(({ path }) => path === '/token');
    expect(tokens.map(({ method }) => method)).toEqual(['POST']);
    expect(Object.fromEntries(new URLSearchParams(tokens[0]?.body))).toMatchObject({
      grant_type: 'refresh_token',
      scope: 'repository:lab/image:pull',
      service: 'loopback',
    });
    const others = registry.requests.map(({ path, query, headers }) => JSON.stringify({ path, query, headers }));
    expect(others.join()).not.toContain(IDENTITY);
  });

  test('is not sent as a password to a registry that wants Basic', async () => {
    const registry = await start({ kind: 'basic', username: 'robot', password: 'p' });
    const connection = connect(registry, () => Promise.resolve({ identityToken: IDENTITY }));
    await expect(manifest(connection)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
  });
});

describe('a token that dies', () => {
  test.each([401, 403] as const)('earlier than it said is renewed once when the registry answers %i', async (refuseDeadWith) => {
    const registry = await start({ kind: 'bearer', lifeSeconds: 0.2, claimedSeconds: 300, refuseDeadWith });
    const connection = connect(registry, () => Promise.resolve(undefined));
    expect(await manifest(connection)).toBe(200);
    await sleep(250);
    expect(await Promise.all([manifest(connection), manifest(connection), manifest(connection)])).toEqual([200, 200, 200]);
    expect(registry.countOf('/token')).toBe(2);
  });

  test('row 9: a 403 to a token that is new means no, and is not asked about again', async () => {
    const registry = await start({ kind: 'bearer' });
    registry.script = ({ path }) =>
      path.includes('/manifests/') && registry.countOf('/token') > 0 ? { status: 403 } : undefined;
    await expect(manifest(connect(registry, () => Promise.resolve(undefined)))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(registry.requests.map(({ path, status }) => `${path} ${status}`)).toEqual([
      '/v2/lab/image/manifests/v1 401',
      '/token 200',
      '/v2/lab/image/manifests/v1 403',
    ]);
  });
});

describe('a password that was refused', () => {
  test('is looked up afresh once: a helper may have a newer one', async () => {
    const registry = await start({ kind: 'basic', username: 'robot', password: 'new' });
    const lookups: boolean[] = [];
    const provider: CredentialProvider = (_name, { fresh = false } = {}) => {
      lookups.push(fresh);
      return Promise.resolve({ username: 'robot', password: fresh ? 'new' : 'old' });
    };
    const connection = connect(registry, provider);
    expect(await manifest(connection)).toBe(200);
    expect(lookups.filter(Boolean)).toHaveLength(1);
  });
});

test('requests that need a token at once wait for one token request', async () => {
  const registry = await start({ kind: 'bearer' });
  const dispatcher = createDispatcher({ timeoutMs: 5_000, insecureHosts: [] });
  closing.push(() => dispatcher.close());
  const http = createHttpClient(dispatcher);
  const authorizer = new Authorizer({
    http,
    name: 'r/lab/image',
    scope: 'repository:lab/image:pull',
    credentials: () => Promise.resolve(undefined),
    refusal: () => Promise.resolve(new ClipctlError('UNAUTHORIZED', 'no')),
    signal,
  });
  const challenged = await http.send({
    method: 'GET',
    url: new URL('/v2/lab/image/manifests/v1', registry.url),
    headers: {},
    signal,
  });
  await readBody(challenged, 1 << 16, signal);
  const answers = await Promise.all(Array.from({ length: 8 }, () => authorizer.answer(challenged, undefined, signal)));
  expect(answers).toEqual(Array.from({ length: 8 }, () => true));
  expect(registry.countOf('/token')).toBe(1);
});
