import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultCacheDir, defaultConfigPath, loadConfig } from '../../src/lib/config.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-config-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function writeConfig(content: unknown): Promise<string> {
  const path = join(home, '.config/clipctl/config.json');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('directories', () => {
  it('follow XDG, else lie under the home directory', () => {
    const env = { XDG_CACHE_HOME: '/var/c', XDG_CONFIG_HOME: '/var/d' };
    expect(defaultCacheDir({ env, homeDir: '/h' })).toBe('/var/c/clipctl');
    expect(defaultConfigPath({ env, homeDir: '/h' })).toBe('/var/d/clipctl/config.json');
    expect(defaultCacheDir({ env: {}, homeDir: '/h' })).toBe('/h/.cache/clipctl');
    expect(defaultConfigPath({ env: {}, homeDir: '/h' })).toBe('/h/.config/clipctl/config.json');
  });

  it('ignore a relative XDG directory: it would be one of the working directory', () => {
    expect(defaultCacheDir({ env: { XDG_CACHE_HOME: 'cache' }, homeDir: '/h' })).toBe('/h/.cache/clipctl');
    expect(defaultConfigPath({ env: { XDG_CONFIG_HOME: '' }, homeDir: '/h' })).toBe('/h/.config/clipctl/config.json');
  });
});

describe('a config file', () => {
  it('may be missing', async () => {
    expect(await loadConfig({ env: {}, homeDir: home })).toEqual({
      path: undefined,
      expectedPath: join(home, '.config/clipctl/config.json'),
      values: {},
      unknownKeys: [],
      warnings: [],
    });
  });

  it('must be there when it was named', async () => {
    await expect(loadConfig({ env: {}, homeDir: home }, join(home, 'none.json'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  it('holds flags in camelCase, sizes and durations as on the command line', async () => {
    const path = await writeConfig({
      maxMemory: '64MiB',
      maxLayerSize: 1024,
      timeout: '2m',
      jobs: 3,
      offline: true,
      insecureRegistry: ['localhost:5000'],
      remotes: [{ url: 'file:///mnt/a' }, { url: 'file:///mnt/b', mode: 'ro' }],
    });
    const config = await loadConfig({ env: {}, homeDir: home });
    expect(config.path).toBe(path);
    expect(config.values).toEqual({
      maxMemory: 64 * 1024 ** 2,
      maxLayerSize: 1024,
      timeout: 120_000,
      jobs: 3,
      offline: true,
      insecureRegistry: ['localhost:5000'],
      remotes: [
        { url: 'file:///mnt/a', mode: 'rw' },
        { url: 'file:///mnt/b', mode: 'ro' },
      ],
    });
  });

  it('names a cache directory from the home directory or from beside itself', async () => {
    await writeConfig({ cacheDir: '~/layers' });
    expect((await loadConfig({ env: {}, homeDir: home })).values.cacheDir).toBe(join(home, 'layers'));
    await writeConfig({ cacheDir: 'layers' });
    expect((await loadConfig({ env: {}, homeDir: home })).values.cacheDir).toBe(join(home, '.config/clipctl/layers'));
  });

  it.each([
    [{ jobs: 'four' }, 'jobs: expected a whole number'],
    [{ jobs: 0 }, 'jobs: expected 1 or more'],
    [{ jobs: 1.5 }, 'jobs: expected a whole number'],
    [{ maxMemory: 'lots' }, 'maxMemory: expected a size'],
    [{ maxMemory: -1 }, 'maxMemory: expected a size'],
    [{ maxMemory: '4095KiB' }, 'maxMemory: expected at least 4MiB'],
    [{ timeout: [] }, 'timeout: expected a duration'],
    [{ offline: 'yes' }, 'offline: expected true or false'],
    [{ progress: 'loud' }, 'progress: expected auto, tty, plain, json or none'],
    [{ insecureRegistry: 'localhost' }, 'insecureRegistry: expected a list of hosts'],
    [{ remotes: [{ url: 'file:///x', mode: 'rwx' }] }, 'remotes.0.mode: expected "ro", "rw" or "wo"'],
    [{ cacheDir: '' }, 'cacheDir: expected a string that is not empty'],
    [[], 'expected a JSON object'],
    ['null', 'expected a JSON object'],
    ['{"jobs": 3', 'not valid JSON'],
  ])('%j is refused, naming file and key', async (content, problem) => {
    const path = await writeConfig(content);
    const loading = loadConfig({ env: {}, homeDir: home });
    await expect(loading).rejects.toMatchObject({ code: 'CONFIG_INVALID', details: { path } });
    await expect(loading).rejects.toThrow(`config file ${path}: ${problem}`);
  });

  it('with an unknown key is read, with a warning', async () => {
    const path = await writeConfig({ jobs: 2, jbos: 4, __proto__x: 1 });
    const config = await loadConfig({ env: {}, homeDir: home });
    expect(config.values).toEqual({ jobs: 2 });
    expect(config.warnings).toEqual([
      `config file ${path}: unknown key "jbos" is ignored`,
      `config file ${path}: unknown key "__proto__x" is ignored`,
    ]);
  });

  it('changes no prototype', async () => {
    await writeConfig('{"__proto__": {"offline": true}, "constructor": {"prototype": {"jobs": 1}}}');
    const config = await loadConfig({ env: {}, homeDir: home });
    expect(config.values.offline).toBeUndefined();
    expect(({} as { jobs?: number }).jobs).toBeUndefined();
  });

  it('larger than a megabyte is refused', async () => {
    await writeConfig(`{"username": "${'x'.repeat(1024 * 1024)}"}`);
    await expect(loadConfig({ env: {}, homeDir: home })).rejects.toThrow(/larger than/);
  });

  it('that is a directory is refused', async () => {
    await mkdir(join(home, '.config/clipctl/config.json'), { recursive: true });
    await expect(loadConfig({ env: {}, homeDir: home })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
