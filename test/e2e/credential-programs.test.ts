/** RELIABILITY §1.3 row 16 through the command: helpers whose names, answers and manners are an attack. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const LOGIN = { username: 'robot', password: 'canary-helper-31c5' };
/** What the helper may take. */
const HELPER_MS = 10_000;

let home: Home;
let registry: LoopbackRegistry;
beforeEach(async () => {
  home = await makeHome();
  const { directory } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }]);
  registry = await startLoopbackRegistry({ repositories: { app: directory }, auth: { kind: 'basic', ...LOGIN } });
  await mkdir(home.path('bin'));
  await mkdir(home.path('home/.docker'));
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

/** A program on the PATH. */
async function install(name: string, script: string): Promise<void> {
  await writeFile(home.path('bin', name), `#!/bin/sh\n${script}\n`);
  await chmod(home.path('bin', name), 0o755);
}

async function warmWith(credsStore: string): Promise<CliResult> {
  await writeFile(home.path('home/.docker/config.json'), JSON.stringify({ credsStore }));
  const env = { PATH: `${home.path('bin')}:${process.env['PATH'] ?? ''}` };
  return home.run(['warm', `${registry.host}/app:v1`, '-vvv', '--json'], { env });
}

function expectRefused(result: CliResult): void {
  expect([result.code, result.json().error?.code]).toEqual([5, 'CREDENTIAL_HELPER_FAILED']);
  expect(result.stdout + result.stderr).not.toContain(LOGIN.password);
  expect(registry.requests.filter(({ headers }) => headers['authorization'] !== undefined)).toEqual([]);
}

describe('row 16: a credential helper', () => {
  it('that does as it should logs in', async () => {
    const answer = JSON.stringify({ ServerURL: registry.host, Username: LOGIN.username, Secret: LOGIN.password });
    await install('docker-credential-good', `cat > '${home.path('asked')}'; printf '%s' '${answer}'`);
    const result = await warmWith('good');
    expect(result.code, result.stderr).toBe(0);
    expect(await readFile(home.path('asked'), 'utf8')).toBe(registry.host);
    expect(result.stdout + result.stderr).not.toContain(LOGIN.password);
  });

  it.each(['../x', 'a;b', 'a b', '$(touch planted)', '-x', '..'])(
    'named %j is never started, by no shell either',
    async (name) => {
      const witness = `touch '${home.path('planted')}'`;
      for (const program of ['x', 'docker-credential-a', 'b', 'docker-credential-..']) await install(program, witness);
      expectRefused(await warmWith(name));
      await expect(readFile(home.path('planted'))).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  it('that writes 1 GiB is stopped after 64 KiB', async () => {
    await install('docker-credential-flood', `head -c 1073741824 /dev/zero && touch '${home.path('all')}'`);
    expectRefused(await warmWith('flood'));
    await expect(readFile(home.path('all'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that hangs is ended after 10 s', async () => {
    await install('docker-credential-hang', 'sleep 300');
    const startedAtMs = performance.now();
    expectRefused(await warmWith('hang'));
    const tookMs = performance.now() - startedAtMs;
    expect(tookMs).toBeGreaterThanOrEqual(HELPER_MS);
    expect(tookMs).toBeLessThan(3 * HELPER_MS);
  });

  it.each(['echo SECRET >&2; exit 1', 'echo SECRET; exit 1', `printf '{"Secret":"SECRET"'`])(
    'that says what it should not is not quoted: %s',
    async (script) => {
      await install('docker-credential-loud', script.replace('SECRET', LOGIN.password));
      expectRefused(await warmWith('loud'));
    },
  );
});
