import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import type { OpenSourceOptions } from '../../src/lib/source/open-source.ts';
import { readAll } from '../conformance/image-source.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import {
  startLoopbackRegistry,
  type LoopbackAuth,
  type LoopbackOptions,
  type LoopbackRegistry,
} from '../servers/loopback-registry.ts';
import { layoutOf, openForTest } from '../source/open-for-test.ts';

const PASSWORD = 'canary-password-5f1d';
const LOGIN = { username: 'robot', password: PASSWORD };
const signal = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-auth-'));
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});
afterAll(() => rm(home, { recursive: true }));

async function start(auth: LoopbackAuth, options: Partial<LoopbackOptions> = {}): Promise<LoopbackRegistry> {
  const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') }, auth, ...options });
  closing.push(() => registry.close());
  return registry;
}

function open({ host }: { host: string }, options: Partial<OpenSourceOptions> = {}): ImageSource {
  const source = openForTest(`${host}/lab/image:v1`, options);
  closing.push(() => source.close());
  return source;
}

/** Everything a crash report or a debugger would show of an error. */
async function everythingOf(failing: Promise<unknown>): Promise<{ code: unknown; text: string }> {
  const error = await failing.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(Error);
  return {
    code: (error as { code?: unknown }).code,
    text: inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error),
  };
}

describe('Basic login', () => {
  test('with the right password works, and the password goes out only after the registry asked', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN });
    expect((await open(registry, { credentials: LOGIN }).resolve({ signal })).layers).toHaveLength(3);
    expect(registry.requests[0]?.headers['authorization']).toBeUndefined();
    expect(registry.requests.map(({ status }) => status)).toEqual([401, 200, 200]);
  });

  test('with a wrong or no password is UNAUTHORIZED, asked no more than twice, and never shows it', async () => {
    const registry = await start({ kind: 'basic', username: 'robot', password: 'another' });
    const refused = await everythingOf(open(registry, { credentials: LOGIN }).resolve({ signal }));
    expect(refused.code).toBe('UNAUTHORIZED');
    expect(refused.text).not.toContain(PASSWORD);
    expect(refused.text).not.toContain(Buffer.from(`robot:${PASSWORD}`).toString('base64'));
    expect(registry.requests).toHaveLength(2);
    expect((await everythingOf(open(registry).resolve({ signal }))).code).toBe('UNAUTHORIZED');
  });

  test('a password that the server sends back is taken out of the message', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN });
    registry.script = ({ headers }) =>
      headers['authorization'] === undefined
        ? undefined
        : {
            status: 403,
            body: JSON.stringify({ errors: [{ message: `robot:${PASSWORD} and https://u:${PASSWORD}@h/?k=${PASSWORD}` }] }),
          };
    const refused = await everythingOf(open(registry, { credentials: LOGIN }).resolve({ signal }));
    expect(refused.code).toBe('FORBIDDEN');
    expect(refused.text).not.toContain(PASSWORD);
  });
});

describe('Bearer login', () => {
  test('asks for one token with the scope of the repository, for all requests at once', async () => {
    const registry = await start({ kind: 'bearer', ...LOGIN });
    const source = open(registry, { credentials: LOGIN });
    const image = await source.resolve({ signal });
    await Promise.all(image.layers.map((layer) => readAll(source, layer)));
    const tokens = registry.requests.filter(({ path }) => path === '/token');
    expect(tokens.map(({ query }) => new URLSearchParams(query).get('scope'))).toEqual(['repository:lab/image:pull']);
    expect(new URLSearchParams(tokens[0]?.query).get('service')).toBe('loopback');
  });

  test('a token that dies is renewed, also when it dies earlier than it said', async () => {
    const registry = await start({ kind: 'bearer', lifeSeconds: 0.3, claimedSeconds: 300 });
    const source = open(registry);
    const image = await source.resolve({ signal });
    await new Promise((resolve) => setTimeout(resolve, 350));
    const sizes = await Promise.all(image.layers.map(async (layer) => (await readAll(source, layer)).byteLength));
    expect(sizes).toEqual(image.layers.map(({ sizeBytes }) => sizeBytes));
    expect(registry.countOf('/token')).toBe(2);
  });

  test('a token server that refuses is UNAUTHORIZED, without the password', async () => {
    const registry = await start({ kind: 'bearer', username: 'robot', password: 'another' });
    const refused = await everythingOf(open(registry, { credentials: LOGIN }).resolve({ signal }));
    expect(refused.code).toBe('UNAUTHORIZED');
    expect(refused.text).not.toContain(PASSWORD);
  });

  test.each(['http://token.example/token', 'ftp://127.0.0.1/token', 'file:///etc/passwd', 'nonsense', ''])(
    'a realm %j gets nothing sent',
    async (realm) => {
      const registry = await start({ kind: 'bearer', realm });
      const refused = await everythingOf(open(registry, { credentials: LOGIN }).resolve({ signal }));
      expect(refused.code).toBe('UNAUTHORIZED');
      expect(registry.requests).toHaveLength(1);
    },
  );

  test('a token that holds a line end is refused', async () => {
    const registry = await start({ kind: 'bearer' });
    registry.script = ({ path }) => (path === '/token' ? { status: 200, body: '{"token":"a\\r\\nx-evil: 1"}' } : undefined);
    expect((await everythingOf(open(registry).resolve({ signal }))).code).toBe('REGISTRY_ERROR');
  });
});

describe('a redirect to another server', () => {
  test('is followed without Authorization, and its signed query is in no error', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN }, { redirectBlobs: true });
    const source = open(registry, { credentials: LOGIN, retries: 0 });
    const image = await source.resolve({ signal });
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    expect((await readAll(source, layer)).byteLength).toBe(layer.sizeBytes);
    const atStorage = registry.requests.filter(({ server }) => server === 'storage');
    expect(atStorage.length).toBeGreaterThan(0);
    expect(JSON.stringify(atStorage.map(({ headers }) => headers))).not.toMatch(/authorization|robot|canary-password/i);
    registry.script = ({ server }) => (server === 'storage' ? { status: 403 } : undefined);
    const refused = await everythingOf(readAll(source, layer));
    expect(refused.code).toBe('FORBIDDEN');
    expect(refused.text).not.toContain('presigned-canary');
  });

  test('that asks for a login there does not get it', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN }, { redirectBlobs: true });
    registry.script = ({ server }) =>
      server === 'storage' ? { status: 401, headers: { 'www-authenticate': 'Basic realm="phish"' } } : undefined;
    const refused = await everythingOf(open(registry, { credentials: LOGIN }).resolve({ signal }));
    expect(refused.code).toBe('UNAUTHORIZED');
    expect(refused.text).toMatch(/sent us on to 127\.0\.0\.1:\d+, and that storage host refused/);
    expect(refused.text).not.toContain('credentials were refused');
    const atStorage = registry.requests.filter(({ server }) => server === 'storage');
    expect(atStorage.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
  });

  test('in a circle ends', async () => {
    const registry = await start({ kind: 'bearer' });
    registry.script = ({ path }) => (path.includes('/manifests/') ? { status: 302, headers: { location: path } } : undefined);
    expect((await everythingOf(open(registry).resolve({ signal }))).code).toBe('REGISTRY_ERROR');
    expect(registry.requests.length).toBeLessThan(15);
  });
});

describe('credentials of configuration files', () => {
  test('are found by the host, and used', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN });
    const directory = join(home, 'one');
    await mkdir(directory);
    const auth = Buffer.from(`robot:${PASSWORD}`).toString('base64');
    await writeFile(join(directory, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const source = open(registry, { environment: { HOME: home, DOCKER_CONFIG: directory } });
    expect((await source.resolve({ signal })).layers).toHaveLength(3);
  });

  test('that cannot be read as JSON are CONFIG_INVALID, and not quoted', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN });
    const file = join(home, 'broken.json');
    await writeFile(file, `{"auths":{"x":{"auth":"${PASSWORD}`);
    const failed = await everythingOf(
      open(registry, { environment: { HOME: home, REGISTRY_AUTH_FILE: file } }).resolve({ signal }),
    );
    expect(failed.code).toBe('CONFIG_INVALID');
    expect(failed.text).not.toContain(PASSWORD);
  });
});

describe.skipIf(dockerRegistryMissing() !== undefined)('docker-registry with htpasswd', () => {
  test('lets the right password in and says UNAUTHORIZED to the rest', async () => {
    const registry = await startDockerRegistry({ login: LOGIN });
    closing.push(() => registry.close());
    await pushLayout(layoutOf('odd-plain'), { host: registry.host, repository: 'lab/image', tag: 'v1', login: LOGIN });
    const source = open(registry, { credentials: LOGIN });
    const image = await source.resolve({ signal });
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    expect((await readAll(source, layer)).byteLength).toBe(layer.sizeBytes);
    const refused = await everythingOf(
      open(registry, { credentials: { ...LOGIN, password: `${PASSWORD}x` } }).resolve({ signal }),
    );
    expect(refused.code).toBe('UNAUTHORIZED');
    expect(refused.text).not.toContain(PASSWORD);
  });
});
