/** What a shell, a CI job or somebody else's directory can put around a command: fifos, full disks, signals, no home. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeHome, runCli, type CliResult, type Home } from './run-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

function expectUsage({ code, stderr }: CliResult, message: string): void {
  expect(code, stderr).toBe(2);
  expect(stderr).toContain(message);
}

describe('-o', () => {
  it('a directory exits 2 and no layer is read', async () => {
    const result = await home.run(['index', IMAGE, '-o', home.dir]);
    expectUsage(result, 'it is a directory');
    expect(result.stderr).not.toContain('start');
  });
});

describe('a fifo that nobody writes to', () => {
  it.each([
    ['FILE.clip', 7, 'CLIP_INVALID', (path: string) => ['inspect', path]],
    ['--config', 2, 'CONFIG_INVALID', (path: string) => ['inspect', IMAGE, '--config', path]],
  ])('as %s is refused', async (_what, exit, code, argsOf) => {
    const path = home.path('fifo.clip');
    execFileSync('mkfifo', [path]);
    const result = await home.run(argsOf(path));
    expect(result.code, result.stderr).toBe(exit);
    expect(result.stderr).toContain(`[${code}]`);
  });
});

describe('a signal while a password is awaited', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the run with %i', async (signal, exit) => {
    // The warning about the config file is the last thing before the password: who sees it knows that signals are heard.
    await writeFile(home.path('odd.json'), '{"odd": 1}');
    const args = ['warm', IMAGE, '--username', 'me', '--password-stdin', '--config', home.path('odd.json')];
    // stdin stays open and empty.
    const child = spawn(process.execPath, [BIN, ...args], { cwd: home.dir, env: { HOME: home.dir, LANG: 'C.UTF-8' } });
    const stderr: Buffer[] = [];
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    child.stdin.on('error', () => undefined);
    const closed = once(child, 'close') as Promise<[number | null, string | null]>;
    await once(child.stderr, 'data');
    child.kill(signal);
    const stuck = setTimeout(() => child.kill('SIGKILL'), 5000);
    const [code] = await closed;
    clearTimeout(stuck);
    expect(code, Buffer.concat(stderr).toString()).toBe(exit);
    expect(Buffer.concat(stderr).toString()).toContain('[ABORTED]');
  });
});

describe('a full disk', () => {
  /** In a shell, because only a redirection can make stdout a device. */
  function shell(command: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const env = { PATH: process.env['PATH'], HOME: home.dir, NODE: process.execPath, BIN, IMAGE };
    return new Promise((resolve) => {
      execFile('sh', ['-c', command], { cwd: home.dir, env, timeout: 60_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  it.each(['inspect "$IMAGE" --json', 'inspect "$IMAGE"', 'inspect --json', '--version', '--help', 'warm oci:/none --json'])(
    'behind stdout exits 8 with one line: %s',
    async (args) => {
      const { code, stderr } = await shell(`"$NODE" "$BIN" ${args} >/dev/full`);
      expect(code, stderr).toBe(8);
      expect(stderr).toBe('error: cannot write to stdout: ENOSPC [STORAGE_FULL]\n');
    },
  );

  it('behind stderr decides nothing', async () => {
    const warm = await shell('"$NODE" "$BIN" warm "$IMAGE" -vv --json 2>/dev/full');
    expect(warm.code).toBe(0);
    expect(JSON.parse(warm.stdout)).toMatchObject({ command: 'warm' });
    expect((await shell('"$NODE" "$BIN" warm "$IMAGE" --progress json 2>/dev/full')).code).toBe(0);
    expect((await shell('"$NODE" "$BIN" warm oci:/none 2>/dev/full')).code).toBe(4);
  });
});

describe('a home directory that is not absolute', () => {
  it('makes nothing of the working directory a home', async () => {
    const checkout = await mkdtemp(join(tmpdir(), 'clipctl-checkout-'));
    try {
      await mkdir(join(checkout, '.config/clipctl'), { recursive: true });
      await writeFile(join(checkout, '.config/clipctl/config.json'), '{"jobs": "planted"}');
      await mkdir(join(checkout, '.docker'));
      await writeFile(join(checkout, '.docker/config.json'), 'planted');
      for (const HOME of ['', '.']) {
        const env = { HOME, XDG_CACHE_HOME: home.path('cache'), XDG_RUNTIME_DIR: '.', DOCKER_CONFIG: '.docker' };
        const result = await runCli(['inspect', IMAGE, '-v'], { cwd: checkout, env });
        expect(result.code, result.stderr).toBe(0);
        const registry = await runCli(['inspect', '127.0.0.1:1/x', '--retries', '0'], { cwd: checkout, env });
        expect(registry.code, registry.stderr).toBe(6);
        const cache = await runCli(['inspect', IMAGE, '-v'], { cwd: checkout, env: { HOME } });
        expect(cache.stderr).toContain(`disk cache: ${userInfo().homedir}`);
      }
      expect((await readdir(checkout)).sort()).toEqual(['.config', '.docker']);
    } finally {
      await rm(checkout, { recursive: true });
    }
  });
});

describe('--max-memory below 4MiB', () => {
  it.each([
    ['inspect', IMAGE],
    ['warm', IMAGE],
    ['index', IMAGE, '--dry-run'],
    ['push-cache', IMAGE, '--to', 'file:///none'],
  ])('exits 2 at once: %s', async (...args) => {
    expectUsage(await home.run([...args, '--max-memory', '4095KiB']), 'at least 4MiB');
    expectUsage(await home.run(args, { env: { CLIPCTL_MAX_MEMORY: '1' } }), 'CLIPCTL_MAX_MEMORY');
  });
});
