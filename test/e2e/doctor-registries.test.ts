/** `doctor HOST|IMAGE`: who is asked, how it wants to be logged in to, where the login came from, and what no output shows. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DoctorResult, RegistryFacts } from '../../src/lib/operations/doctor-results.ts';
import { check, readSchema } from '../cli/json-schema.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import { freePort } from '../servers/free-port.ts';
import { startLoopbackRegistry, type LoopbackAuth, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { nginxMissing } from '../servers/nginx.ts';
import { startNginxFront } from '../servers/nginx-front.ts';
import { startTokenServer } from '../servers/token-server.ts';
import { layoutOf } from '../source/open-for-test.ts';
import { makeHome, type CliResult, type Home, type RunOptions } from './run-cli.ts';

const LOGIN = { username: 'robot', password: 'canary-password-81cd' };
const BASE64 = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64');
const closing: (() => Promise<void>)[] = [];
let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await home.remove();
});

async function start(auth?: LoopbackAuth): Promise<LoopbackRegistry> {
  const registry = await startLoopbackRegistry({
    repositories: { 'lab/image': layoutOf('odd-plain') },
    ...(auth === undefined ? {} : { auth }),
  });
  closing.push(() => registry.close());
  return registry;
}

interface Examination {
  readonly code: number;
  readonly document: DoctorResult;
  readonly registry: RegistryFacts | undefined;
  readonly result: CliResult;
}

async function doctor(args: readonly string[], options: RunOptions = {}): Promise<Examination> {
  const result = await home.run(['doctor', ...args, '--json'], options);
  const document = result.json<DoctorResult>();
  expect(check(document, readSchema('doctor')), result.stdout).toEqual([]);
  return { code: result.code, document, registry: document.registries.at(-1), result };
}

const noted = ({ document }: Examination, status: 'ok' | 'warning' | 'problem') =>
  document.checks.filter((each) => each.area === 'registries' && each.status === status);

async function storeLogin(config: object): Promise<string> {
  const path = home.path('home/.docker/config.json');
  await mkdir(home.path('home/.docker'), { recursive: true });
  await writeFile(path, JSON.stringify(config));
  return path;
}

describe('a registry that wants no login', () => {
  it('is reached over http on loopback; nothing but its root is asked for a host', async () => {
    const registry = await start();
    const found = await doctor([registry.host]);
    expect(found.code).toBe(0);
    expect(found.registry).toMatchObject({ reached: true, url: `http://${registry.host}/`, auth: 'none' });
    expect(registry.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /v2/']);
  });

  it('is asked for an image by HEAD, which no quota counts', async () => {
    const registry = await start();
    const found = await doctor([`${registry.host}/lab/image:v1`]);
    expect([found.code, found.registry?.manifestDigest]).toEqual([0, expect.stringMatching(/^sha256:/)]);
    expect(registry.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /v2/',
      'HEAD /v2/lab/image/manifests/v1',
    ]);
  });

  it('and lacks the image is exit 4; one that is gone exit 6; both together 3', async () => {
    const registry = await start();
    expect((await doctor([`${registry.host}/lab/image:none`])).code).toBe(4);
    const gone = `127.0.0.1:${await freePort()}`;
    expect((await doctor([gone])).code).toBe(6);
    expect((await doctor([gone, `${registry.host}/lab/image:none`])).code).toBe(3);
  });

  it('is not asked with --offline, and no name costs no request', async () => {
    const registry = await start();
    const found = await doctor([registry.host, '--offline']);
    expect([found.code, found.registry?.reached, registry.requests]).toEqual([0, undefined, []]);
  });

  it.each(['oci:/x', 'docker-archive:/x', 'A b', 'none.clip'])(
    '%s is no name of one: an error, and nobody is asked',
    async (name) => {
      const result = await home.run(['doctor', name, '--json']);
      expect([2, 4]).toContain(result.code);
      expect(result.json().error).toBeDefined();
    },
  );
});

describe('a login', () => {
  it('from a file is accepted, and the file is named', async () => {
    const registry = await start({ kind: 'basic', ...LOGIN });
    const path = await storeLogin({ auths: { [registry.host]: { auth: BASE64 } } });
    const found = await doctor([`${registry.host}/lab/image:v1`]);
    expect(found.code).toBe(0);
    expect(found.registry).toMatchObject({ auth: 'basic', login: 'accepted', credentials: { origin: path, kind: 'password' } });
    expect(found.document.credentialFiles.find(({ exists }) => exists)).toMatchObject({ path, registries: [registry.host] });
  });

  it('from a helper is accepted, and the helper is named; one that is not installed is a warning', async () => {
    const registry = await start({ kind: 'bearer', ...LOGIN });
    const program = home.path('bin/docker-credential-canary');
    await mkdir(home.path('bin'));
    await writeFile(program, `#!/bin/sh\necho '{"Username":"robot","Secret":"${LOGIN.password}"}'\n`);
    await chmod(program, 0o755);
    await storeLogin({ credHelpers: { [registry.host]: 'canary', 'other.example': 'not-there' } });
    const found = await doctor([registry.host], { env: { PATH: `${home.path('bin')}:/usr/bin:/bin` } });
    expect(found.registry).toMatchObject({
      auth: 'bearer',
      login: 'accepted',
      realm: `${registry.url}/token`,
      credentials: { origin: 'docker-credential-canary' },
    });
    expect(found.document.checks.filter(({ status }) => status === 'warning')).toMatchObject([
      { area: 'credentials', message: expect.stringContaining('docker-credential-not-there') as string },
    ]);
  });

  it('from stdin is accepted, and is for one registry only', async () => {
    const [one, other] = [await start({ kind: 'basic', ...LOGIN }), await start()];
    const typed = ['--username', 'robot', '--password-stdin'];
    const found = await doctor([one.host, ...typed], { input: LOGIN.password });
    expect(found.registry).toMatchObject({ login: 'accepted', credentials: { origin: '--username' } });
    const two = await home.run(['doctor', one.host, other.host, ...typed], { input: LOGIN.password });
    expect([two.code, other.requests]).toEqual([2, []]);
  });

  it('that is refused is exit 5, and so is none where one is wanted', async () => {
    const registry = await start({ kind: 'basic', username: 'robot', password: 'another' });
    const anonymous = await doctor([registry.host]);
    expect([anonymous.code, anonymous.registry]).toMatchObject([5, { auth: 'basic', login: 'refused' }]);
    await storeLogin({ auths: { [registry.host]: { auth: BASE64 } } });
    const wrong = await doctor([registry.host]);
    expect([wrong.code, noted(wrong, 'problem')]).toMatchObject([
      5,
      [{ code: 'UNAUTHORIZED', hint: expect.stringMatching(/credentials were refused/) as string }],
    ]);
  });

  it('that nobody needs is said: let in anonymously', async () => {
    const registry = await start({ kind: 'bearer' });
    const found = await doctor([`${registry.host}/lab/image:v1`]);
    expect(found.registry).toMatchObject({ login: 'anonymous', auth: 'bearer' });
    expect(noted(found, 'ok')[0]?.message).toContain('let in anonymously, no credentials found');
  });

  it('is only a warning where a token server wants one and no image was named', async () => {
    const registry = await start({ kind: 'bearer', ...LOGIN });
    const found = await doctor([registry.host]);
    expect([found.code, noted(found, 'warning')]).toMatchObject([0, [{ code: 'UNAUTHORIZED' }]]);
    expect((await doctor([`${registry.host}/lab/image:v1`])).code).toBe(5);
  });

  it('in a file that cannot be understood is exit 2', async () => {
    await mkdir(home.path('home/.docker'));
    await writeFile(home.path('home/.docker/config.json'), '{"auths": {');
    expect((await doctor([])).code).toBe(2);
  });
});

describe('row 8: the quota', () => {
  it('stands in the document and for people; none left is a warning', async () => {
    const registry = await start();
    const headers = {
      'ratelimit-limit': '100;w=21600',
      'ratelimit-remaining': '7;w=21600',
      'docker-ratelimit-source': '192.0.2.7',
    };
    registry.script = ({ path }) => (path.includes('/manifests/') ? { headers } : undefined);
    const found = await doctor([`${registry.host}/lab/image:v1`]);
    expect(found.registry?.quota).toEqual({ limit: 100, remaining: 7, windowSeconds: 21_600, source: '192.0.2.7' });
    expect(noted(found, 'ok')[1]?.message).toBe(`${registry.host}: 7 of 100 requests left in 21600 s`);
    registry.script = ({ path }) =>
      path.includes('/manifests/') ? { headers: { ...headers, 'ratelimit-remaining': '0;w=21600' } } : undefined;
    expect(noted(await doctor([`${registry.host}/lab/image:v1`]), 'warning')).toHaveLength(1);
  });

  it('that is used up is exit 6 with its headers', async () => {
    const registry = await start();
    registry.script = ({ path }) =>
      path.includes('/manifests/')
        ? { status: 429, headers: { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0' } }
        : undefined;
    const found = await doctor([`${registry.host}/lab/image:v1`]);
    expect([found.code, found.registry?.quota]).toEqual([6, { limit: 60, remaining: 0 }]);
    expect(registry.requests).toHaveLength(2);
  });
});

it('a clock that is ten minutes off is a warning', async () => {
  const registry = await start();
  registry.script = () => ({ status: 200, body: '{}', headers: { date: new Date(Date.now() - 600_000).toUTCString() } });
  const found = await doctor([registry.host]);
  expect(noted(found, 'warning')[0]?.message).toMatch(/its clock is (599|600|601) s behind ours/);
});

it('mirrors are visited too, with logins of their own; one that is gone is a warning', async () => {
  const [origin, mirror] = [await start(), await start()];
  const mirrors = [`http://127.0.0.1:${await freePort()}`, mirror.url].flatMap((url) => ['--mirror', `${origin.host}=${url}`]);
  const found = await doctor([`${origin.host}/lab/image:v1`, ...mirrors]);
  expect(found.code).toBe(0);
  expect(found.document.registries.map(({ role, reached }) => [role, reached])).toEqual([
    ['mirror', false],
    ['mirror', true],
    ['registry', true],
  ]);
  expect(noted(found, 'warning')).toMatchObject([{ code: 'NETWORK' }]);
});

describe.skipIf(dockerRegistryMissing() !== undefined)('docker-registry', () => {
  it('with htpasswd takes the login, and refuses a wrong one with 5', async () => {
    const registry = await startDockerRegistry({ login: LOGIN });
    closing.push(() => registry.close());
    const typed = ['--username', LOGIN.username, '--password-stdin'];
    const found = await doctor([registry.host, ...typed], { input: LOGIN.password });
    expect([found.code, found.registry]).toMatchObject([0, { auth: 'basic', login: 'accepted' }]);
    expect((await doctor([registry.host, ...typed], { input: 'canary-wrong' })).code).toBe(5);
  });

  it('with tokens: the scope of the image, anonymous for a public one, 5 for a private one', async () => {
    const tokens = await startTokenServer({ ...LOGIN, publicRepositories: ['lab/public'] });
    closing.push(() => tokens.close());
    const registry = await startDockerRegistry({ tokens });
    closing.push(() => registry.close());
    const { host } = registry;
    for (const repository of ['lab/public', 'lab/private'])
      await pushLayout(layoutOf('odd-gzip'), { host, repository, tag: 'v1', tokens });
    const open = await doctor([`${host}/lab/public:v1`]);
    expect([open.code, open.registry]).toMatchObject([0, { login: 'anonymous', realm: tokens.realm }]);
    expect((await doctor([`${host}/lab/private:v1`])).code).toBe(5);
    await storeLogin({ auths: { [host]: { auth: BASE64 } } });
    const found = await doctor([`${host}/lab/private:v1`]);
    expect([found.code, found.registry]).toMatchObject([0, { login: 'accepted' }]);
    expect(tokens.requests.at(-1)).toEqual({ scopes: ['repository:lab/private:pull'], user: 'robot' });
    expect((await doctor([host])).registry).toMatchObject({ login: 'accepted' });
    expect(tokens.requests.at(-1)).toEqual({ scopes: [], user: 'robot' });
  });

  it.skipIf(nginxMissing() !== undefined)('behind TLS is reached with --ca-file, and says so without', async () => {
    const registry = await startDockerRegistry();
    closing.push(() => registry.close());
    const front = await startNginxFront({ registry: registry.host, storage: registry.storage });
    closing.push(() => front.close());
    const mirror = ['--mirror', `${registry.host}=https://${front.host}`];
    const trusted = await doctor([registry.host, ...mirror, '--ca-file', front.caFile]);
    expect(trusted.document.registries[0]).toMatchObject({ role: 'mirror', reached: true, url: `https://${front.host}/` });
    const untrusted = await doctor([registry.host, ...mirror]);
    expect(noted(untrusted, 'warning')).toMatchObject([{ code: 'NETWORK', hint: expect.stringMatching(/--ca-file/) as string }]);
  });
});

it('row 17: no secret is shown, however it is asked', async () => {
  const canaries = ['canary-a1', 'canary-b2', 'canary-c3', 'canary-d4', 'canary-e5', 'canary-f6'];
  const [file, , remote, proxy, helper, identity] = canaries;
  const registry = await start({ kind: 'basic', username: 'robot', password: 'another' });
  const auths = {
    [registry.host]: { auth: Buffer.from(`robot:${file}`).toString('base64') },
    'token.example': { identitytoken: identity },
  };
  await storeLogin({ auths, credHelpers: { 'h.example': 'loud' } });
  await mkdir(home.path('bin'));
  const program = join(home.path('bin'), 'docker-credential-loud');
  await writeFile(program, `#!/bin/sh\necho ${helper} >&2; echo ${helper}; exit 1\n`);
  await chmod(program, 0o755);
  registry.script = ({ headers }) =>
    headers['authorization'] === undefined ? undefined : { status: 401, body: `{"errors":[{"message":"${file}"}]}` };
  const env = {
    PATH: `${home.path('bin')}:/usr/bin:/bin`,
    HTTPS_PROXY: `http://u:${proxy}@127.0.0.1:1`,
    CLIPCTL_HTTP_TOKEN: 'canary-b2',
  };
  const urls = [`http://u:${remote}@127.0.0.1:${await freePort()}/cas`, `redis://u:${remote}@127.0.0.1:${await freePort()}/0`];
  const args = ['doctor', registry.host, 'token.example', 'h.example', ...urls.flatMap((url) => ['--from', url])];
  for (const more of [[], ['--json'], ['-vv'], ['-vv', '--json', '--progress', 'json'], ['--offline', '-vv']]) {
    const { stdout, stderr } = await home.run([...args, ...more], { env });
    expect(stdout).toContain('REDACTED');
    for (const canary of canaries) {
      for (const form of [canary, Buffer.from(`robot:${canary}`).toString('base64')]) expect(stdout + stderr).not.toContain(form);
    }
  }
});
