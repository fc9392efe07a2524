import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authFilePaths, dockerConfigCredentials } from '../../src/lib/auth/docker-config.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-docker-config-'));
  await mkdir(join(home, '.docker'));
});
afterAll(() => rm(home, { recursive: true }));

const encode = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString('base64');

const inHome = (path: string) => [join(path, '.config/containers/auth.json'), join(path, '.docker/config.json')];

async function lookUp(auths: unknown, name: string) {
  await writeFile(join(home, '.docker', 'config.json'), JSON.stringify({ auths, credsStore: 'not-installed-here' }));
  return dockerConfigCredentials({ HOME: home })(name);
}

describe('dockerConfigCredentials', () => {
  test('looks at the files in the order that podman and docker have', () => {
    const environment = { HOME: '/h', REGISTRY_AUTH_FILE: '/a.json', XDG_RUNTIME_DIR: '/run/user/1', DOCKER_CONFIG: '/d' };
    expect(authFilePaths(environment)).toEqual([
      '/a.json',
      '/run/user/1/containers/auth.json',
      '/h/.config/containers/auth.json',
      '/d/config.json',
      '/h/.docker/config.json',
    ]);
    expect(authFilePaths({ HOME: '/h' })).toEqual(inHome('/h'));
  });

  test('looks at no directory of the working directory', () => {
    expect(authFilePaths({ HOME: '/h', XDG_RUNTIME_DIR: 'run', DOCKER_CONFIG: '.docker' })).toEqual(inHome('/h'));
    for (const HOME of ['', '.', 'h']) expect(authFilePaths({ HOME })).toEqual(inHome(userInfo().homedir));
  });

  test('/dev/null means no credentials; a fifo is refused, not waited for', async () => {
    const nowhere = join(home, 'nowhere');
    expect(await dockerConfigCredentials({ HOME: nowhere, REGISTRY_AUTH_FILE: '/dev/null' })('r.io/x')).toBeUndefined();
    const fifo = join(home, 'fifo.json');
    execFileSync('mkfifo', [fifo]);
    await expect(dockerConfigCredentials({ HOME: nowhere, REGISTRY_AUTH_FILE: fifo })('r.io/x')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  test('the longest prefix of whole path components wins', async () => {
    const auths = {
      'r.io': { auth: encode('host', '1') },
      'r.io/team': { auth: encode('team', '2') },
      'r.io/team/app': { auth: encode('app', '3') },
    };
    expect(await lookUp(auths, 'r.io/team/app')).toEqual({ username: 'app', password: '3' });
    expect(await lookUp(auths, 'r.io/team/apple')).toEqual({ username: 'team', password: '2' });
    expect(await lookUp(auths, 'r.io/teams')).toEqual({ username: 'host', password: '1' });
    expect(await lookUp(auths, 'r.io.evil.example/team')).toBeUndefined();
  });

  test.each(['https://index.docker.io/v1/', 'docker.io', 'index.docker.io'])('%s means docker.io', async (key) => {
    const auths = { [key]: { auth: encode('me', 'a:b') } };
    expect(await lookUp(auths, 'docker.io/library/alpine')).toEqual({ username: 'me', password: 'a:b' });
  });

  test('an address with a scheme means its host', async () => {
    expect(await lookUp({ 'https://r.io:5000/v2/': { username: 'u', password: 'p' } }, 'r.io:5000/x')).toEqual({
      username: 'u',
      password: 'p',
    });
  });

  test('no file, an empty file and an entry without credentials are anonymous', async () => {
    expect(await dockerConfigCredentials({ HOME: join(home, 'nowhere') })('r.io/x')).toBeUndefined();
    await writeFile(join(home, 'empty.json'), '');
    expect(
      await dockerConfigCredentials({ HOME: join(home, 'nowhere'), REGISTRY_AUTH_FILE: join(home, 'empty.json') })('r.io/x'),
    ).toBeUndefined();
    expect(await lookUp({ 'r.io': {} }, 'r.io/x')).toBeUndefined();
  });

  test('a registry token goes before an identity token, and that before a password', async () => {
    const entry = { auth: encode('u', 'p'), identitytoken: 'identity', registrytoken: 'registry' };
    expect(await lookUp({ 'r.io': entry }, 'r.io/x')).toEqual({ registryToken: 'registry' });
    expect(await lookUp({ 'r.io': { ...entry, registrytoken: '' } }, 'r.io/x')).toEqual({ identityToken: 'identity' });
  });

  test('a registry token that would start another header is CONFIG_INVALID', async () => {
    const registrytoken = 'a\r\nX-Other: 1';
    await expect(lookUp({ 'r.io': { registrytoken } }, 'r.io/x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a value that is not base64 of user:password is CONFIG_INVALID', async () => {
    await expect(lookUp({ 'r.io': { auth: 'bm9jb2xvbg==' } }, 'r.io/x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
