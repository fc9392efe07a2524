import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askCredentialProgram } from '../../src/lib/auth/credential-program.ts';
import { dockerConfigCredentials, findCredentials } from '../../src/lib/auth/docker-config.ts';

const CANARY = 'canary-helper-77ab';
let home: string;
let environment: Record<string, string>;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-helper-'));
  await mkdir(join(home, 'bin'));
  await mkdir(join(home, '.docker'));
  environment = { HOME: home, PATH: `${join(home, 'bin')}:/usr/bin:/bin` };
});
afterAll(() => rm(home, { recursive: true }));

/** Installs `docker-credential-NAME` that runs these lines of shell; `$ASKED` is where it notes what it read. */
async function install(name: string, script: string): Promise<void> {
  const path = join(home, 'bin', `docker-credential-${name}`);
  await writeFile(path, `#!/bin/sh\nASKED=${join(home, `${name}.asked`)}\n${script}\n`);
  await chmod(path, 0o755);
}

async function configure(config: object): Promise<void> {
  await writeFile(join(home, '.docker', 'config.json'), JSON.stringify(config));
}

function ask(helper: string, serverAddress = 'r.io', timeoutMs?: number): ReturnType<typeof askCredentialProgram> {
  return askCredentialProgram({ helper, serverAddress, environment, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
}

async function refused(failing: Promise<unknown>): Promise<string> {
  const error: unknown = await failing.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ code: 'CREDENTIAL_HELPER_FAILED' });
  return inspect(error, { depth: 20, showHidden: true });
}

const answer = (username: string, secret: string) =>
  `printf '${JSON.stringify({ ServerURL: 'r.io', Username: username, Secret: secret })}'`;

describe('a credential helper', () => {
  test('is asked with `get` and the registry on stdin, and its answer is used', async () => {
    await install('good', `printf '%s|' "$*" > "$ASKED"; cat >> "$ASKED"; ${answer('robot', CANARY)}`);
    expect(await ask('good', 'r.io:5000')).toEqual({ username: 'robot', password: CANARY });
    expect(await readFile(join(home, 'good.asked'), 'utf8')).toBe('get|r.io:5000');
  });

  test('that names the user <token> hands out an identity token', async () => {
    await install('token', answer('<token>', CANARY));
    expect(await ask('token')).toEqual({ identityToken: CANARY });
  });

  test('that has none, or is not installed, is no failure', async () => {
    await install('none', `echo 'credentials not found in native keychain'; exit 1`);
    expect(await ask('none')).toBeUndefined();
    expect(await ask('not-installed-anywhere')).toBe('missing');
  });

  // RELIABILITY 1.3 row 16
  test.each(['../x', 'a;b', 'a b', '', '-x', 'x/y', 'x\ny', 'x'.repeat(200)])(
    'row 16: a helper named %j is never started',
    async (name) => {
      await refused(ask(name));
    },
  );

  test.each(['r.io\r\nevil.example', 'r.io\nx', ''])('row 16: a registry %j never reaches a helper', async (address) => {
    await install('witness', 'cat > "$ASKED"');
    await refused(ask('witness', address));
    await expect(readFile(join(home, 'witness.asked'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('row 16: one that never stops writing is stopped at 64 KiB', async () => {
    await install('flood', 'exec yes');
    const startedAt = performance.now();
    await refused(ask('flood'));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  test('row 16: one that hangs is ended together with what it started', async () => {
    await install('hang', 'sleep 300 & echo $! > "$ASKED"; wait');
    await refused(ask('hang', 'r.io', 300));
    const child = (await readFile(join(home, 'hang.asked'), 'utf8')).trim();
    await expect.poll(() => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => ''), { timeout: 3000 }).toBe('');
  });

  test('row 16: what it writes to stderr or says wrongly is in no error', async () => {
    await install('loud', `echo ${CANARY} >&2; echo ${CANARY}; exit 1`);
    expect(await refused(ask('loud'))).not.toContain(CANARY);
    await install('garbage', `printf '{"Secret": "${CANARY}"'`);
    expect(await refused(ask('garbage'))).not.toContain(CANARY);
  });
});

describe('the configuration', () => {
  test('a helper of the registry goes before the store of all, and both before `auths`', async () => {
    await install('own', answer('own', '1'));
    await install('store', answer('store', '2'));
    const auths = { 'r.io': { username: 'file', password: '3' } };
    await configure({ credHelpers: { 'r.io': 'own' }, credsStore: 'store', auths });
    expect(await findCredentials(environment, 'r.io/app')).toEqual({
      credentials: { username: 'own', password: '1' },
      origin: 'docker-credential-own',
    });
    expect((await findCredentials(environment, 'other.io/app'))?.origin).toBe('docker-credential-store');
    await configure({ credsStore: 'none', auths });
    expect((await findCredentials(environment, 'r.io/app'))?.origin).toBe(join(home, '.docker', 'config.json'));
  });

  test('a helper that is not installed is passed over, and that is said', async () => {
    await configure({ credsStore: 'desktop-elsewhere', auths: { 'r.io': { username: 'file', password: '3' } } });
    const notices: string[] = [];
    const found = await findCredentials(environment, 'r.io/app', { onNotice: (message) => notices.push(message) });
    expect(found?.credentials).toEqual({ username: 'file', password: '3' });
    expect(notices).toEqual([expect.stringContaining('docker-credential-desktop-elsewhere')]);
  });

  test('Docker Hub is asked for under the address that docker uses', async () => {
    await install('hub', `cat > "$ASKED"; ${answer('me', '1')}`);
    await configure({ credHelpers: { 'docker.io': 'hub' } });
    await findCredentials(environment, 'docker.io/library/alpine');
    expect(await readFile(join(home, 'hub.asked'), 'utf8')).toBe('https://index.docker.io/v1/');
  });

  test('an identity token goes before user and password', async () => {
    await configure({ auths: { 'r.io': { auth: Buffer.from('u:p').toString('base64'), identitytoken: CANARY } } });
    expect((await findCredentials(environment, 'r.io/app'))?.credentials).toEqual({ identityToken: CANARY });
  });

  test('a helper is asked once a name, and again only for fresh credentials', async () => {
    await install('counted', `echo x >> "$ASKED"; ${answer('u', 'p')}`);
    await configure({ credsStore: 'counted' });
    const provider = dockerConfigCredentials(environment);
    await Promise.all([provider('r.io/app'), provider('r.io/app')]);
    await provider('r.io/app');
    const timesAsked = async () => (await readFile(join(home, 'counted.asked'), 'utf8')).length / 2;
    expect(await timesAsked()).toBe(1);
    await provider('r.io/app', { fresh: true });
    expect(await timesAsked()).toBe(2);
  });
});
