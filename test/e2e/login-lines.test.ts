/** At -v a run says once where the login of a registry comes from, and that there is none. */
import { mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackAuth, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const LOGIN = { username: 'robot', password: 'canary-login-3f' };
let home: Home;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await registry?.close();
  registry = undefined;
  await home.remove();
});

async function warm(auth: LoopbackAuth | undefined, config: (host: string) => object, ...flags: string[]): Promise<CliResult> {
  const { directory } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }, { files: { b: 'b' } }]);
  await registry?.close();
  registry = await startLoopbackRegistry({ repositories: { app: directory }, ...(auth === undefined ? {} : { auth }) });
  await mkdir(home.path('home/.docker'), { recursive: true });
  await writeFile(home.path('home/.docker/config.json'), JSON.stringify(config(registry.host)));
  return home.run(['warm', `${registry.host}/app:v1`, ...flags]);
}
const linesOf = ({ stderr }: CliResult): readonly string[] => stderr.split('\n').filter((line) => line.startsWith('login '));
const stored = (host: string): object => ({
  auths: { [host]: { auth: Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64') } },
});

describe('a registry that wants a login', () => {
  it('gets it from a file, and the file is named once', async () => {
    const result = await warm({ kind: 'basic', ...LOGIN }, stored, '-v');
    expect(result.code, result.stderr).toBe(0);
    expect(linesOf(result)).toEqual([`login ${registry?.host}/app: credentials from ${home.path('home/.docker/config.json')}`]);
    expect(result.stderr).not.toContain(LOGIN.password);
  });

  it('that anybody gets is asked anonymously, and that is said', async () => {
    const result = await warm({ kind: 'bearer' }, () => ({}), '-v');
    expect([result.code, linesOf(result)]).toEqual([0, [`login ${registry?.host}/app: no credentials found, asked anonymously`]]);
  });

  it('and has a helper that is not installed: that is said too', async () => {
    const result = await warm({ kind: 'bearer' }, () => ({ credsStore: 'elsewhere' }), '-v');
    expect(linesOf(result)[0]).toContain('docker-credential-elsewhere, which is not installed');
  });

  it('without -v says nothing of it, in no mode of progress but json', async () => {
    const result = await warm({ kind: 'bearer' }, () => ({}));
    expect([result.code, linesOf(result)]).toEqual([0, []]);
    const json = await warm({ kind: 'bearer' }, () => ({}), '--progress', 'json', '--cache-dir', home.path('other'));
    expect(json.stderr).toContain('"type":"login"');
  });
});

describe('a login in the environment', () => {
  const env = { CLIPCTL_USERNAME: LOGIN.username, CLIPCTL_PASSWORD: LOGIN.password };
  const wrong = (host: string): object => ({ auths: { [host]: { auth: Buffer.from('robot:wrong').toString('base64') } } });

  it.each(['basic', 'bearer'] as const)('goes before the files, is named and is not shown: %s', async (kind) => {
    await warm({ kind, ...LOGIN }, wrong, '--offline');
    const result = await home.run(['warm', `${registry?.host}/app:v1`, '-vv', '--json'], { env });
    expect(result.code, result.stderr).toBe(0);
    expect(linesOf(result)).toEqual([`login ${registry?.host}/app: credentials from CLIPCTL_PASSWORD`]);
    expect(result.stdout + result.stderr).not.toContain(LOGIN.password);
  });

  it('is for one registry, and does not go to another that is named beside it', async () => {
    await warm({ kind: 'basic', ...LOGIN }, () => ({}), '--offline');
    const other = await startLoopbackRegistry({ repositories: {}, auth: { kind: 'basic', ...LOGIN } });
    const result = await home.run(['warm', `${registry?.host}/app:v1`, `${other.host}/app:v1`], { env });
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining('CLIPCTL_PASSWORD is for one registry')]);
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('that is refused is exit 5 without a second user, and doctor names it', async () => {
    await warm({ kind: 'basic', ...LOGIN }, stored, '--offline');
    const refused = { env: { ...env, CLIPCTL_PASSWORD: 'canary-wrong' } };
    const result = await home.run(['warm', `${registry?.host}/app:v1`, '-vv'], refused);
    expect([result.code, result.stderr.includes('canary-wrong')]).toEqual([5, false]);
    const found = await home.run(['doctor', registry?.host ?? '', '--json'], { env });
    expect(found.json()).toMatchObject({ registries: [{ credentials: { origin: 'CLIPCTL_PASSWORD' }, login: 'accepted' }] });
    expect([found.code, found.stdout.includes(LOGIN.password), found.stdout.includes('no setting')]).toEqual([0, false, false]);
  });
});

it('a registry token of a file is sent as it is: the token server is not asked, and once it is dead that is exit 5', async () => {
  const token = 'canary-registry-token-7';
  const config = (host: string): object => ({ auths: { [host]: { registrytoken: token, identitytoken: 'x', auth: 'eDp5' } } });
  await warm({ kind: 'bearer', ...LOGIN, registryToken: token }, config, '--offline');
  const result = await home.run(['warm', `${registry?.host}/app:v1`, '-vv']);
  expect(result.code, result.stderr).toBe(0);
  expect(registry?.countOf('/token')).toBe(0);
  const found = await home.run(['doctor', registry?.host ?? '', '--json']);
  expect(found.json()).toMatchObject({ registries: [{ credentials: { kind: 'registry-token' }, login: 'accepted' }] });
  await warm({ kind: 'bearer', ...LOGIN, registryToken: 'another' }, config, '--offline');
  const dead = await home.run(['warm', `${registry?.host}/app:v1`, '-vv', '--cache-dir', home.path('dead')]);
  expect([dead.code, registry?.countOf('/token')]).toEqual([5, 0]);
  for (const { stdout, stderr } of [result, found, dead]) expect(stdout + stderr).not.toContain(token);
});

it('a registry that wants none is not looked up at all', async () => {
  const result = await warm(undefined, stored, '-v');
  expect([result.code, linesOf(result)]).toEqual([0, []]);
});
