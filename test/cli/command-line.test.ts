import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { createLayout, writeImage } from '../servers/layout-writer.ts';
import { check, readSchema } from './json-schema.ts';

const COMMANDS = ['doctor', 'index', 'inspect', 'push-cache', 'verify', 'warm'];
const CACHE_VERBS = ['du', 'ls', 'path', 'pin', 'prune', 'repair', 'unpin', 'verify'];
const CACHE_COMMANDS = CACHE_VERBS.map((verb) => `cache ${verb}`);
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;

let home: Home;
beforeAll(async () => {
  home = await makeHome();
});
afterAll(() => home.remove());

describe('--help', () => {
  it.each([...COMMANDS, ...CACHE_COMMANDS])('of %s shows at least three examples that parse, in 80 columns', async (command) => {
    const { code, stdout } = await home.run([...command.split(' '), '--help'], { env: { COLUMNS: '80' } });
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const examples = stdout.slice(stdout.indexOf('EXAMPLES')).match(/^ {2}\$ clipctl .*$/gm) ?? [];
    expect(examples.length).toBeGreaterThanOrEqual(3);
    const flags = new Set(stdout.match(/--[a-z-]+/g));
    for (const example of examples) {
      for (const flag of example.replace(/\|.*/, '').match(/--[a-z-]+/g) ?? []) expect(flags).toContain(flag);
    }
  });

  it.each([...COMMANDS, ...CACHE_COMMANDS])('of %s names an environment variable for each flag', async (command) => {
    const { stdout } = await home.run([...command.split(' '), '--help'], { env: { OCLIF_COLUMNS: '200' } });
    const lines = stdout.match(/^ {2,6}(?:-\w, +)?--[a-z-]+.*$/gm) ?? [];
    expect(lines.length).toBeGreaterThan(15);
    const names = lines.map((line) => /--([a-z-]+)/.exec(line)?.[1] ?? '');
    const variables = stdout.match(/CLIPCTL_[A-Z_]+/g) ?? [];
    expect(variables).toEqual(names.map((name) => `CLIPCTL_${name.toUpperCase().replaceAll('-', '_')}`));
  });

  it('is the same by -h, help and --help', async () => {
    const texts = await Promise.all(
      [
        ['warm', '-h'],
        ['help', 'warm'],
        ['warm', '--help'],
      ].map((args) => home.run(args)),
    );
    expect(new Set(texts.map((text) => text.stdout)).size).toBe(1);
    expect(texts[0]?.stdout).toContain('clipctl warm');
  });

  it('lists all commands in 80 columns', async () => {
    const { stdout } = await home.run(['--help']);
    for (const command of COMMANDS) expect(stdout).toContain(`  ${command} `);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });
});

describe('an error', () => {
  it('is one line and a hint on stderr, without a stack', async () => {
    const { code, stdout, stderr } = await home.run(['inspect', 'oci:nowhere']);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^error: .*nowhere.* \[IMAGE_NOT_FOUND\]$/);
    expect(lines[1]).toMatch(/^hint: /);
  });

  it('has a stack with -vv only', async () => {
    const quiet = await home.run(['inspect', 'oci:nowhere', '-v']);
    const loud = await home.run(['inspect', 'oci:nowhere', '-vv']);
    expect(quiet.stderr).not.toMatch(/^ {4}at /m);
    expect(loud.stderr).toMatch(/^ {4}at /m);
  });

  it('is printed with --quiet too', async () => {
    expect((await home.run(['inspect', 'oci:nowhere', '-q'])).stderr).toMatch(/^error: /);
  });

  it.each([
    [['warm', IMAGE, '--platfrom', 'linux/amd64'], 'Did you mean --platform?'],
    [['wram', IMAGE], 'Did you mean warm?'],
  ])('of a mistyped word names the right one: %j', async (args, hint) => {
    const { code, stderr } = await home.run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(hint);
  });

  it('obeys nothing that stands in a name', async () => {
    const { stderr } = await home.run(['warm', 'oci:\u001b]0;x\u0007\n::error::y', '--progress', 'none']);
    expect(stderr).toMatch(/^[\n -~]*$/);
    expect(stderr).not.toMatch(/^\s*::/m);
  });
});

describe('configuration', () => {
  it('is read from no file of the working directory', async () => {
    const directory = home.path('checkout');
    const planted = {
      cacheDir: home.path('stolen'),
      offline: 'not even valid',
      remotes: [{ url: `file://${home.path('stolen')}` }],
    };
    await mkdir(join(directory, '.config/clipctl'), { recursive: true });
    const names = [
      '.clipctl.json',
      'clipctl.config.json',
      'clipctl.json',
      'config.json',
      '.clipctlrc',
      '.config/clipctl/config.json',
    ];
    for (const name of names) await writeFile(join(directory, name), JSON.stringify(planted));
    await writeFile(
      join(directory, 'package.json'),
      JSON.stringify({ clipctl: planted, oclif: { bin: 'x', plugins: ['./evil'] } }),
    );
    const { code, stderr } = await home.run(['warm', IMAGE], { cwd: directory });
    expect({ code, stderr: stderr.includes('error') }).toEqual({ code: 0, stderr: false });
    expect(await readdir(home.dir)).not.toContain('stolen');
    expect((await readdir(home.cacheDir)).length).toBeGreaterThan(0);
  });

  it('of the user names the remotes to read and to fill', async () => {
    const own = await makeHome();
    const remotes = [
      { url: `file://${own.path('both')}`, mode: 'rw' },
      { url: `file://${own.path('read')}`, mode: 'ro' },
    ];
    await mkdir(own.path('config/clipctl'), { recursive: true });
    for (const name of ['both', 'read', 'flag']) await mkdir(own.path(name));
    await writeFile(own.path('config/clipctl/config.json'), JSON.stringify({ remotes, typo: 1 }));
    const { code, stderr } = await own.run(['warm', IMAGE]);
    expect(code).toBe(0);
    expect(stderr).toContain('unknown key "typo" is ignored');
    expect((await readdir(own.path('both'))).length).toBeGreaterThan(0);
    expect(await readdir(own.path('read'))).toEqual([]);
    const inspected = await own.run(['inspect', IMAGE, '--json']);
    expect(Object.keys((inspected.json()['layers'] as { tiers: { remote: object } }[])[0]?.tiers.remote ?? {})).toHaveLength(2);
    await own.run(['warm', IMAGE, '--to', `file://${own.path('flag')}`]);
    expect((await readdir(own.path('flag'))).length).toBeGreaterThan(0);
    await own.remove();
  });
});

describe('inspect --check-warm', () => {
  it('answers by exit code and prints as usual', async () => {
    const own = await makeHome();
    const before = await own.run(['inspect', IMAGE, '--check-warm', '--json']);
    expect({ code: before.code, warm: before.json()['warm'] }).toEqual({ code: 10, warm: false });
    const quiet = await own.run(['inspect', IMAGE, '--check-warm', '-q']);
    expect(quiet).toMatchObject({ code: 10, stdout: '', stderr: '' });
    const cold = await own.run(['inspect', IMAGE, '--check-warm', '--progress', 'none']);
    expect((cold.stdout + cold.stderr).match(/not warm/g)).toHaveLength(1);
    await own.run(['warm', IMAGE]);
    const after = await own.run(['inspect', IMAGE, '--check-warm']);
    expect(after.code).toBe(0);
    expect(after.stdout).toContain('warm: every layer is on disk');
    await own.remove();
  });
});

describe('stdout', () => {
  it('closed by its reader ends the command silently with 141', async () => {
    const child = spawn(process.execPath, [BIN, 'inspect', IMAGE, '--progress', 'none'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const errors: Buffer[] = [];
    child.stderr.on('data', (data: Buffer) => errors.push(data));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, stderr: Buffer.concat(errors).toString() }).toEqual({ code: 141, stderr: '' });
  });

  it('takes a document of megabytes whole, through a pipe', async () => {
    const layout = home.path('layout');
    await createLayout(layout);
    const label = 'x'.repeat(2 * 1024 * 1024);
    await writeImage(layout, { layers: [], tag: 'big', created: '2026-01-01T00:00:00Z', config: { Labels: { label } } });
    const command = `'${process.execPath}' '${BIN}' inspect oci:${layout}:big --json --progress none | cat`;
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { maxBuffer: 16 * 1024 * 1024 });
    const document = JSON.parse(stdout) as { config: { labels: { label: string } } };
    expect(document.config.labels.label).toBe(label);
  });

  it('holds the result alone; talk is on stderr', async () => {
    const { stdout, stderr } = await home.run(['warm', IMAGE, '--progress', 'json', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, command: 'warm' });
    for (const line of stderr.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('type');
  });
});

describe('a crash', () => {
  it('leaves an error document that calls itself a bug, and exit code 1', async () => {
    // As soon as the runner listens: an error event of some stream that nobody handles.
    const crash = home.path('crash.mjs');
    const heard = "process.listenerCount('uncaughtExceptionMonitor') > 0";
    await writeFile(crash, `setInterval(() => { if (${heard}) throw new Error('boom'); }, 1);`);
    const { code, stdout } = await home.run(['warm', IMAGE, '--json'], {
      env: { NODE_OPTIONS: `--import=${crash}` },
    });
    const document = JSON.parse(stdout) as { error: { code: string; hint: string } };
    expect(code).toBe(1);
    expect(document.error).toMatchObject({ code: 'INTERNAL', hint: expect.stringContaining('bug') as string });
  });

  it('behind a result leaves the one document, and exit code 1', async () => {
    const crash = home.path('crash-later.mjs');
    const later = "if (String(chunk).includes('schemaVersion')) setImmediate(() => { throw new Error('boom'); });";
    await writeFile(
      crash,
      `const write = process.stdout.write.bind(process.stdout);
      process.stdout.write = (chunk, ...rest) => { const ok = write(chunk, ...rest); ${later} return ok; };`,
    );
    const { code, stdout, stderr } = await home.run(['inspect', IMAGE, '--json'], {
      env: { NODE_OPTIONS: `--import=${crash}` },
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ command: 'inspect', totals: {} });
    expect(stderr).toContain('boom');
  });
});

describe('a signal', () => {
  let server: Server;
  let image: string;
  const sockets = new Set<{ destroy(): void }>();
  beforeAll(async () => {
    // Takes connections and never answers.
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    image = `127.0.0.1:${(server.address() as AddressInfo).port}/app:v1`;
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s stops a waiting command with %d and says what to do', async (signal, exit) => {
    const stop = new AbortController();
    const connected = once(server, 'connection');
    const running = home.run(['warm', image, '--json'], { signal: stop.signal, killSignal: signal });
    await connected;
    stop.abort();
    const result = await running;
    expect(result.code).toBe(exit);
    expect(check(result.json(), readSchema('error'))).toEqual([]);
    expect(result.json().error).toMatchObject({ code: 'ABORTED', hint: expect.stringContaining('again') as string });
  });
});

describe('a password', () => {
  const SECRET = 'canary-7f3a9c';

  it('from stdin stands in no output, whatever fails', async () => {
    for (const flags of [['-vv'], ['--json'], ['--progress', 'json']]) {
      const args = ['warm', '127.0.0.1:1/app:v1', '--retries', '0', '--username', 'me', '--password-stdin', ...flags];
      const { code, stdout, stderr } = await home.run(args, { input: `${SECRET}\n` });
      expect(code).toBe(6);
      expect(stdout + stderr).not.toContain(SECRET);
      expect(stdout + stderr).not.toContain(Buffer.from(`me:${SECRET}`).toString('base64'));
    }
  });

  it('that is empty is a usage error', async () => {
    expect((await home.run(['warm', 'x', '--username', 'me', '--password-stdin'], { input: '\n' })).code).toBe(2);
  });
});
