/** `doctor`: settings with their origin, the cache, remotes, and what a problem comes to. Registries: doctor-registries.test.ts. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DoctorResult } from '../../src/lib/operations/doctor-results.ts';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { check, readSchema } from '../cli/json-schema.ts';
import { freePort } from '../servers/free-port.ts';
import { startRawServer } from '../servers/raw-server.ts';
import { makeHome, type CliResult, type Home, type RunOptions } from './run-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

interface Examination {
  readonly code: number;
  readonly document: DoctorResult;
  readonly result: CliResult;
}

async function doctor(args: readonly string[] = [], options: RunOptions = {}): Promise<Examination> {
  const result = await home.run(['doctor', ...args, '--json'], options);
  const document = result.json<DoctorResult>();
  expect(check(document, readSchema('doctor')), result.stdout).toEqual([]);
  expect(document.ok).toBe(result.code === 0);
  return { code: result.code, document, result };
}

const settingOf = ({ document }: Examination, name: string) => document.settings.find((setting) => setting.name === name);
const noted = ({ document }: Examination, status: 'warning' | 'problem') =>
  document.checks.filter((each) => each.status === status);

/** `doctor` with the cache directory on a read-only mount. */
async function doctorReadOnly(): Promise<{ code: unknown; document: DoctorResult }> {
  const readOnly = `mount --bind '${home.cacheDir}' '${home.cacheDir}' && mount -o remount,bind,ro '${home.cacheDir}'`;
  const [program = '', ...args] = inMountNamespace(readOnly, [process.execPath, BIN, 'doctor', '--json']);
  const env = { PATH: process.env['PATH'], HOME: home.path('home'), XDG_CACHE_HOME: home.path('cache') };
  const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
    execFile(program, args, { env }, (error, text) => resolve({ code: error?.code ?? 0, stdout: text }));
  });
  return { code, document: JSON.parse(stdout) as DoctorResult };
}

describe('without arguments', () => {
  it('finds no problem in an empty home, makes nothing, and asks nobody', async () => {
    const found = await doctor([], { env: { HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` } });
    expect([found.code, noted(found, 'problem'), found.document.registries]).toEqual([0, [], []]);
    expect(found.document.cache).toMatchObject({ path: home.cacheDir, exists: false, writable: true, layers: 0 });
    expect(found.document.engines).toMatchObject({ gzip: 'kernel', zstdDecoder: 'wasm-zstd' });
    expect(await readdir(home.path('cache'))).toEqual([]);
  });

  it('says it in 80 columns for people', async () => {
    const { code, stdout } = await home.run(['doctor'], { env: { COLUMNS: '80' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^clipctl \d+\.\d+\.\d+, Node v\d+/);
    expect(stdout).toMatch(/^jobs +default +\d+$/m);
    expect(stdout).toMatch(/\nno problem, looked at in \d+ ms\n$/);
    const paths = (line: string) => line.includes(home.dir);
    expect(stdout.split('\n').filter((line) => line.length > 80 && !paths(line))).toEqual([]);
  });
});

describe('a setting', () => {
  it('stands with its value and who said so: flag, environment, config file, default', async () => {
    await mkdir(home.path('config/clipctl'));
    await writeFile(
      home.path('config/clipctl/config.json'),
      JSON.stringify({ jobs: 3, timeout: '7s', maxLayerSize: '1GiB', remotes: [{ url: `file://${home.dir}`, mode: 'ro' }] }),
    );
    const found = await doctor(['--jobs', '5'], { env: { CLIPCTL_TIMEOUT: '9s' } });
    expect(settingOf(found, 'jobs')).toEqual({ name: 'jobs', value: 5, origin: 'flag' });
    expect(settingOf(found, 'timeout')).toEqual({ name: 'timeout', value: 9000, unit: 'ms', origin: 'environment' });
    expect(settingOf(found, 'max-layer-size')).toMatchObject({ value: 1024 ** 3, unit: 'bytes', origin: 'config' });
    expect(settingOf(found, 'retries')).toEqual({ name: 'retries', value: 4, origin: 'default' });
    expect(settingOf(found, 'from')).toMatchObject({ value: [`file://${home.dir}`], origin: 'config' });
    expect(settingOf(found, 'to')).toMatchObject({ value: [] });
    expect(found.document.configFile).toMatchObject({ path: home.path('config/clipctl/config.json'), exists: true });
    expect(found.document.remotes).toMatchObject([{ uses: ['from'], reached: true }]);
  });

  it('that is misspelt, in the file or the environment, is a warning', async () => {
    await writeFile(home.path('c.json'), '{"cahceDir": "/x"}');
    const found = await doctor(['--config', home.path('c.json')], { env: { CLIPCTL_CACHEDIR: '/y', CLIPCTL_LOCKS: 'lease' } });
    expect(found.code).toBe(0);
    expect(found.document.configFile.unknownKeys).toEqual(['cahceDir']);
    expect(noted(found, 'warning').map(({ message }) => message)).toEqual([
      expect.stringContaining('unknown key "cahceDir"'),
      'CLIPCTL_CACHEDIR is set, and is no setting of clipctl',
    ]);
    expect(found.document.cache.locks).toBe('lease');
  });

  it('with a wrong value is exit 2', async () => {
    expect((await home.run(['doctor'], { env: { CLIPCTL_JOBS: 'many' } })).code).toBe(2);
    expect((await home.run(['doctor', '--compress', 'zip'])).code).toBe(2);
  });
});

describe('the disk cache', () => {
  it('of a newer clipctl is exit 8', async () => {
    await mkdir(`${home.cacheDir}/.clipctl/v99`, { recursive: true });
    const found = await doctor();
    expect([found.code, noted(found, 'problem')]).toMatchObject([8, [{ area: 'cache', code: 'CACHE_VERSION' }]]);
  });

  it('that is a file is exit 8', async () => {
    await writeFile(home.cacheDir, '');
    const found = await doctor();
    expect([found.code, found.document.cache.writable]).toEqual([8, false]);
    expect(noted(found, 'problem')[0]?.hint).toContain('--cache-dir');
  });

  it('whose file system has less free than --min-free leaves is exit 8', async () => {
    const found = await doctor(['--min-free', '900TiB']);
    expect([found.code, noted(found, 'problem')]).toMatchObject([8, [{ code: 'STORAGE_FULL' }]]);
  });

  it('shows what stands in it, and warns of a layer that is not the file that was committed', async () => {
    const image = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
    expect((await home.run(['warm', image])).code).toBe(0);
    const before = await doctor();
    expect(before.document.cache).toMatchObject({ exists: true, mode: '0700', layoutVersion: 1 });
    expect(before.document.cache.ownBytes).toBeGreaterThan(0);
    const layer = (await readdir(home.cacheDir)).find((name) => /^[0-9a-f]{64}$/.test(name)) ?? '';
    await chmod(`${home.cacheDir}/${layer}`, 0o644);
    await writeFile(`${home.cacheDir}/${layer}`, 'x');
    const after = await doctor();
    expect([after.code, noted(after, 'warning')]).toMatchObject([0, [{ hint: 'Mend them with: clipctl cache repair' }]]);
  });

  it.skipIf(!canMount)('that is read-only and empty is exit 8, and the rest is examined', async () => {
    await mkdir(home.cacheDir, { recursive: true });
    const { code, document } = await doctorReadOnly();
    expect([code, document.cache.writable]).toEqual([8, false]);
    expect(document.checks.filter(({ status }) => status === 'problem')).toMatchObject([{ code: 'STORAGE_DENIED' }]);
    expect(document.checks.map(({ area }) => area)).toContain('engines');
  });
});

describe('row 12: a disk cache that can only be read', () => {
  it.skipIf(!canMount)('and has layers is a warning, exit 0: what stands in it is used', async () => {
    const image = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
    expect((await home.run(['warm', image])).code).toBe(0);
    const { code, document } = await doctorReadOnly();
    expect([code, document.ok, document.cache.writable]).toEqual([0, true, false]);
    expect(document.cache.layers).toBeGreaterThan(0);
    const warnings = document.checks.filter(({ area, status }) => area === 'cache' && status !== 'ok');
    expect(warnings).toMatchObject([{ status: 'warning', hint: expect.stringContaining('CLIPCTL_CACHE_DIR') as string }]);
    expect(warnings[0]?.message).toContain('can be read, not written to (EROFS)');
  });
});

describe('a remote cache', () => {
  it('that answers stands with its time and what it can do; a directory that is not there is a warning', async () => {
    await mkdir(home.path('mnt'));
    const found = await doctor(['--from', `file://${home.path('mnt')}`, '--to', `file://${home.path('none')}`]);
    expect(found.code).toBe(0);
    expect(found.document.remotes).toMatchObject([
      { uses: ['from'], reached: true, capabilities: { ranges: true, list: true } },
      { uses: ['to'], reached: false },
    ]);
    expect(noted(found, 'warning')).toMatchObject([{ area: 'remotes' }]);
  });

  it('that refuses connections is exit 6 after one try, whatever it speaks', async () => {
    const port = await freePort();
    const schemes = ['http', 'redis'].map((scheme) => `${scheme}://127.0.0.1:${port}/0`);
    const s3 = `s3://bucket/x?endpoint=http://127.0.0.1:${port}&region=us-east-1`;
    const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    const urls = [...schemes, s3, `oci://127.0.0.1:${port}/cache`];
    const found = await doctor(
      urls.flatMap((url) => ['--from', url]),
      { env },
    );
    expect(found.code, found.result.stdout).toBe(6);
    expect(found.document.remotes.map(({ reached }) => reached)).toEqual([false, false, false, false]);
    expect(noted(found, 'problem')).toHaveLength(4);
    expect(found.document.durationMs).toBeLessThan(10_000);
  });

  it('that never answers is exit 6 after --timeout', async () => {
    const hole = await startRawServer(() => undefined);
    try {
      const found = await doctor(['--from', `http://127.0.0.1:${hole.port}/cas`, '--timeout', '500ms']);
      expect([found.code, noted(found, 'problem')]).toMatchObject([6, [{ code: 'TIMEOUT' }]]);
    } finally {
      await hole.close();
    }
  });

  it('is not asked with --offline', async () => {
    const found = await doctor(['--from', `http://127.0.0.1:${await freePort()}/cas`, '--offline']);
    expect([found.code, found.document.remotes[0]?.reached]).toEqual([0, undefined]);
  });

  it('that fails beside a cache that does is exit 3; an unknown scheme is exit 2', async () => {
    await writeFile(home.cacheDir, '');
    const found = await doctor(['--from', `http://127.0.0.1:${await freePort()}/cas`]);
    expect([found.code, noted(found, 'problem')]).toMatchObject([3, [{ area: 'cache' }, { area: 'remotes' }]]);
    const other = await makeHome();
    expect((await other.run(['doctor', '--from', 'ftp://h/x'])).code).toBe(2);
    await other.remove();
  });
});

describe('authorities and proxies', () => {
  it('in force are shown; one that is no PEM file, or no proxy, is exit 2', async () => {
    await writeFile(home.path('bad.pem'), 'nothing');
    const bad = await doctor(['--ca-file', home.path('bad.pem')]);
    expect([bad.code, noted(bad, 'problem')]).toMatchObject([2, [{ area: 'network', code: 'CONFIG_INVALID' }]]);
    const proxy = await doctor([], { env: { https_proxy: 'proxy.example:3128', NO_PROXY: '.example' } });
    expect(proxy.document.network).toMatchObject({
      proxies: [{ variable: 'https_proxy', url: 'http://proxy.example:3128/' }],
      noProxy: '.example',
    });
    expect((await doctor([], { env: { HTTPS_PROXY: 'socks5://h:1' } })).code).toBe(2);
  });
});
