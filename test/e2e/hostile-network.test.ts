/** RELIABILITY §1.3 rows 13, 14, 15, 17 and 26 through the command: what a registry may send, say and see. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeManifest } from '../servers/change-manifest.ts';
import { startLoopbackRegistry, type LoopbackOptions, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
const closing: LoopbackRegistry[] = [];
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((server) => server.close()));
  await home.remove();
});

const TWO: readonly MadeLayer[] = [{ files: { a: 'a' } }, { files: { b: 'b' } }];

async function serve(
  layers: readonly MadeLayer[],
  options: Omit<LoopbackOptions, 'repositories'> = {},
): Promise<{ registry: LoopbackRegistry; made: MadeLayout; name: string }> {
  const made = await makeLayout(home.path(`app${closing.length}`), layers);
  const registry = await startLoopbackRegistry({ repositories: { app: made.directory }, ...options });
  closing.push(registry);
  return { registry, made, name: `${registry.host}/app:v1` };
}

const isBlob = ({ path }: { path: string }): boolean => path.includes('/blobs/');
const kept = async (): Promise<string[]> =>
  (await readdir(home.cacheDir).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));

const DOCKER_FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

describe('row 13: a layer whose media type says something else', () => {
  const OCI = 'application/vnd.oci.image.layer.v1.tar';
  it.each([
    ['zstd bytes called gzip', 'zstd', `${OCI}+gzip`],
    ['a plain tar called gzip', 'none', `${OCI}+gzip`],
    ['gzip bytes called zstd', 'gzip', `${OCI}+zstd`],
  ] as const)('%s is read as what it is, with a warning in index, warm and verify', async (_, compression, mediaType) => {
    const { reference } = await makeLayout(home.path('app'), [{ files: { a: 'a' }, compression, claims: { mediaType } }]);
    for (const args of [['warm'], ['index', '-o', home.path('x.clip')], ['verify']]) {
      const [command = '', ...flags] = args;
      const result = await home.run([command, reference, ...flags, '--json']);
      expect([command, result.code]).toEqual([command, 0]);
      const said = [result.json()['warnings'], result.json()['problems'], result.stderr];
      expect(JSON.stringify(said).replaceAll(/[\\"]/g, '')).toContain(`its media type ${mediaType} means`);
    }
  });

  it('one that nobody knows is exit 9, and inspect lists it', async () => {
    const mediaType = `${OCI}+foo`;
    const { reference } = await makeLayout(home.path('app'), [{ files: { a: 'a' }, claims: { mediaType } }]);
    expect((await home.run(['warm', reference])).code).toBe(9);
    const inspected = await home.run(['inspect', reference, '--json']);
    expect([inspected.code, inspected.stdout.includes(mediaType)]).toEqual([0, true]);
    expect(await kept()).toEqual([]);
  });

  it('a foreign one is exit 9 without --allow-foreign, and inspect lists it', async () => {
    for (const mediaType of [`${OCI.replace('layer', 'layer.nondistributable')}+gzip`, DOCKER_FOREIGN]) {
      const { reference } = await makeLayout(home.path('app'), [{ files: { a: 'a' }, claims: { mediaType } }]);
      const refused = await home.run(['warm', reference, '--json']);
      expect([mediaType, refused.code, refused.json().error?.code]).toEqual([mediaType, 9, 'FOREIGN_LAYER']);
      const inspected = await home.run(['inspect', reference, '--json']);
      expect([inspected.code, inspected.stdout.includes(mediaType)]).toEqual([0, true]);
    }
    expect(await kept()).toEqual([]);
  });
});

/** Resolving is Node's: these names are where clouds keep the secrets of a machine. */
const METADATA_NAMES = `
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const real = dns.lookup;
dns.lookup = (name, options, found) => real(name.endsWith('.example') ? '169.254.169.254' : name, options, found);
syncBuiltinESMExports();
`;

describe('row 14: a foreign layer', () => {
  const ADDRESSES = ['http://169.254.169.254/latest', 'file:///etc/passwd', 'http://10.0.0.1/x', 'http://[::1]:1/x'];

  it('is not fetched, whatever its address: exit 9; with --allow-foreign the registry itself is asked', async () => {
    for (const url of ADDRESSES) {
      const made = await makeLayout(home.path('app'), [{ files: { a: url } }]);
      await changeManifest(made, (text) => text.replace('"layers":[{', `"layers":[{"urls":[${JSON.stringify(url)}],`));
      const registry = await startLoopbackRegistry({ repositories: { app: made.directory } });
      closing.push(registry);
      const name = `${registry.host}/app:v1`;
      const refused = await home.run(['warm', name, '--json']);
      expect([url, refused.code, refused.json().error?.code]).toEqual([url, 9, 'FOREIGN_LAYER']);
      expect(registry.requests.filter(({ path }) => path.endsWith(made.layers[0]?.digest ?? ''))).toEqual([]);
      expect([url, (await home.run(['warm', name, '--allow-foreign'])).code]).toEqual([url, 0]);
    }
  });

  it('and a redirect to an address of cloud metadata is not followed: exit 6', async () => {
    const { registry, name } = await serve(TWO);
    registry.script = (request) =>
      isBlob(request) ? { status: 307, headers: { location: 'http://169.254.169.254/latest/meta-data' } } : undefined;
    const result = await home.run(['warm', name, '--retries', '0', '--json']);
    expect([result.code, result.json().error?.message]).toEqual([6, expect.stringContaining('refused')]);
  });

  it('nor one to a name that resolves to such an address', async () => {
    const { registry, name } = await serve(TWO);
    const location = 'http://images.example/latest/meta-data';
    registry.script = (request) => (isBlob(request) ? { status: 307, headers: { location } } : undefined);
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(METADATA_NAMES)}` };
    const result = await home.run(['warm', name, '--retries', '0', '--timeout', '3s', '--json'], { env });
    expect([result.code, result.json().error?.code]).toEqual([6, 'REGISTRY_ERROR']);
    expect(result.json().error?.message).toContain('refused');
  });
});

/** Credentials in a docker config, and what else people write there. */
async function login(host: string, extra: object = {}): Promise<string> {
  const auth = Buffer.from('user:canary-password').toString('base64');
  await mkdir(home.path('docker'), { recursive: true });
  const document = { auths: { [host]: { auth } }, HttpHeaders: { 'X-Meta-Token': 'canary-header' }, ...extra };
  await writeFile(home.path('docker/config.json'), JSON.stringify(document));
  return auth;
}

describe('row 15: credentials stay where they belong', () => {
  it('a capture server sees 0 secret bytes: as realm, behind a redirect of the realm, behind a redirect of blobs', async () => {
    const capture = await serve(TWO);
    const secrets = (auth: string) => ['canary-password', 'canary-header', auth];
    for (const how of ['realm on another server', 'redirected realm', 'redirected blobs'] as const) {
      const realm =
        how === 'realm on another server' ? { realm: `${capture.registry.url.replace('127.0.0.1', 'localhost')}/token` } : {};
      const { registry, name } = await serve(TWO, {
        auth: { kind: 'bearer', username: 'user', password: 'canary-password', ...realm },
      });
      const location = (path: string) => ({ status: 307, headers: { location: `${capture.registry.url}${path}` } });
      registry.script = (request) => {
        if (how === 'redirected realm' && request.path === '/token') return location('/token');
        const isLoggedIn = request.headers['authorization'] !== undefined;
        return how === 'redirected blobs' && isBlob(request) && isLoggedIn ? location(request.path) : undefined;
      };
      const auth = await login(registry.host);
      const env = { DOCKER_CONFIG: home.path('docker') };
      const result = await home.run(['warm', name, '--cache-dir', home.path(how), '--retries', '0'], { env });
      const seen = JSON.stringify(capture.registry.requests);
      const tokens = registry.requests.map(({ headers }) => headers['authorization']).filter((each) => each !== undefined);
      expect([how, result.code === 0]).toEqual([how, how === 'redirected blobs']);
      if (how === 'redirected blobs') expect(seen).toContain('/blobs/');
      for (const secret of [...secrets(auth), ...tokens.map((each) => String(each).split(' ')[1] ?? '')])
        expect([how, seen.includes(secret)]).toEqual([how, false]);
    }
  });
});

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

it('row 17: no secret is in any output, trace or file, whatever the command and however it ends', async () => {
  const { registry, name } = await serve(TWO, {
    auth: { kind: 'bearer', username: 'user', password: 'canary-password', identityToken: 'canary-refresh' },
    redirectBlobs: true,
  });
  await login(registry.host, { auths: { [registry.host]: { identitytoken: 'canary-refresh' } } });
  const crash = home.path('crash.cjs');
  await writeFile(
    crash,
    'setTimeout(() => { throw Object.assign(new Error("planted: " + process.argv.join(" "), { cause: new Error(process.argv.join(" ")) }), { url: process.argv[5] }); }, 400);',
  );
  const env = {
    DOCKER_CONFIG: home.path('docker'),
    HTTPS_PROXY: 'http://proxy-user:canary-proxy@127.0.0.1:1',
    AWS_ACCESS_KEY_ID: 'canary-s3-key',
    AWS_SECRET_ACCESS_KEY: 'canary-s3-secret',
    AWS_SESSION_TOKEN: 'canary-s3-session',
    CLIPCTL_RETRIES: '0',
    CLIPCTL_TIMEOUT: '1s',
  };
  const remotes = [
    's3://bucket/prefix?endpoint=http://127.0.0.1:1&region=x',
    'redis://user:canary-redis@127.0.0.1:1/0',
    'http://user:canary-http@127.0.0.1:1/cache',
  ];
  const to = remotes.flatMap((url) => ['--to', url]);
  const from = remotes.flatMap((url) => ['--from', url]);
  const commands: readonly (readonly string[])[] = [
    ['warm', name, ...from],
    ['warm', name, ...to],
    ['index', name, '-o', home.path('x.clip'), ...to],
    ['push-cache', name, ...to],
    ['inspect', name, ...from],
    ['warm', name, '--to', 'http://127.0.0.1:1/cache?sig=canary-http-query'],
    ['warm', name, '--to', 's3://bucket/prefix?endpoint=http://127.0.0.1:1&token=canary-s3-query'],
    ['warm', name, '--to', 's3://key:canary-s3-url@bucket/prefix'],
    ['verify', name],
    ['verify', home.path('x.clip'), '--full'],
    ['warm', `https-registry.example/app@sha256:${'0'.repeat(64)}`],
    ['cache', 'du'],
    ['cache', 'verify', '--full'],
    ['cache', 'pin', name],
  ];
  const outputs: string[] = [];
  const run = async (args: readonly string[], more: Record<string, string> = {}, input = ''): Promise<void> => {
    const result = await home.run([...args], { env: { ...env, ...more }, input });
    outputs.push(`${args.join(' ').replaceAll(/canary-[a-z0-9-]+/g, '…')} → ${result.code}\n${result.stdout}\n${result.stderr}`);
  };
  // Everything at once would share a cache in ways that this is not about.
  for (const args of commands)
    await Promise.all([run([...args, '-vvv']), run([...args, '-vvv', '--json', '--progress', 'json'])]);
  const typed = ['warm', name, '--username', 'user', '--password-stdin', '-vvv', '--cache-dir', home.path('typed')];
  await run(typed, {}, 'canary-typed');
  const given = { CLIPCTL_USERNAME: 'user', CLIPCTL_PASSWORD: 'canary-environment' };
  await run(['warm', name, '-vvv', '--cache-dir', home.path('typed')], given);
  await run(['doctor', registry.host, '-vvv', '--json'], given);
  registry.script = (request) => (isBlob(request) ? { stallAt: 1 } : undefined);
  const cold = ['--cache-dir', home.path('cold'), '-vvv'];
  await run(['warm', name, ...cold], { CLIPCTL_TIMEOUT: '300ms' });
  await run(['warm', name, ...to, ...cold], { NODE_OPTIONS: `--require=${crash}`, CLIPCTL_TIMEOUT: '5s' });
  const echo = (secret: string) => {
    registry.script = ({ path }) => (path === '/token' ? { status: 500, body: `no entry for ${secret}` } : undefined);
  };
  echo('canary-refresh');
  await run(['warm', name, ...cold]);
  registry.script = undefined;
  const password = await login(registry.host);
  await run(['warm', name, '--cache-dir', home.path('typed'), '-vvv']);
  echo('canary-password');
  await run(['warm', name, ...cold]);

  expect(outputs.some((text) => text.includes('→ 0\n'))).toBe(true);
  expect(outputs.some((text) => text.includes('planted: '))).toBe(true);
  const bearer = registry.requests.map(({ headers }) => /^Bearer (.*)$/.exec(String(headers['authorization']))?.[1]);
  const tokens = [...new Set(bearer.filter((token) => token !== undefined))];
  expect(tokens.length).toBeGreaterThan(3);
  expect(registry.requests.some(({ query }) => query.includes('presigned-canary'))).toBe(true);
  const secrets = ['canary-', 'presigned-canary', password, Buffer.from('user:canary-typed').toString('base64'), ...tokens];
  const places = ['cache', 'typed', 'cold', 'tmp', 'home', 'config', 'run'].map((directory) => filesBelow(home.path(directory)));
  const files = (await Promise.all(places)).flat();
  expect(files.length).toBeGreaterThan(5);
  const contents = await Promise.all(files.map(async (path) => `${path}\n${await readFile(path, 'latin1')}`));
  for (const text of [...outputs, ...contents]) {
    for (const secret of secrets) expect(text.includes(secret) ? text : '', secret).toBe('');
  }
}, 180_000);

it('row 26: a Content-Length that lies by one either way never makes a layer', async () => {
  const { registry, made, name } = await serve([{ files: { a: 'a'.repeat(5000) }, compression: 'none' }]);
  const size = made.layers[0]?.compressedBytes ?? 0;
  for (const lie of [size - 1, size + 1]) {
    registry.script = (request) =>
      isBlob(request) && request.path.endsWith(made.layers[0]?.digest ?? '')
        ? { headers: { 'content-length': String(lie) } }
        : undefined;
    const result = await home.run(['warm', name, '--retries', '1', '--timeout', '1s', '--json']);
    expect([lie - size, [6, 7].includes(result.code)]).toEqual([lie - size, true]);
    expect(await kept()).toEqual([]);
  }
});
