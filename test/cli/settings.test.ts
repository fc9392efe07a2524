import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GLOBAL_FLAGS, environmentName } from '../../src/cli/flags.ts';
import { configuredRemotes, resolveSettings } from '../../src/cli/settings.ts';
import type { ResolvedSettings } from '../../src/cli/settings.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-settings-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Sources {
  readonly flags?: Readonly<Record<string, string | readonly string[]>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: object;
}

async function resolve({ flags = {}, env = {}, config }: Sources): Promise<ResolvedSettings> {
  const directory = join(home, 'clipctl');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  if (config !== undefined) await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  const tokens = Object.entries(flags).flatMap(([flag, inputs]) =>
    [inputs].flat().map((input) => ({ type: 'flag', flag, input })),
  );
  return resolveSettings(tokens, { env: { XDG_CONFIG_HOME: home, ...env }, homeDir: home });
}

describe('a setting', () => {
  it('comes from the flag, then the environment, then the config file, then the default', async () => {
    const flags = { jobs: '7' };
    const env = { CLIPCTL_JOBS: '6' };
    const config = { jobs: 5 };
    expect((await resolve({ flags, env, config })).settings.jobs).toBe(7);
    expect((await resolve({ env, config })).settings.jobs).toBe(6);
    expect((await resolve({ config })).settings.jobs).toBe(5);
    expect((await resolve({})).settings.jobs).toBe(availableParallelism());
  });

  it('has the documented default', async () => {
    const { settings } = await resolve({});
    expect(settings).toMatchObject({
      cacheDir: join(home, '.cache/clipctl'),
      maxMemoryBytes: 32 * 1024 ** 2,
      maxLayerBytes: 64 * 1024 ** 3,
      maxEntries: 5_000_000,
      timeoutMs: 30_000,
      offline: false,
      allowForeign: false,
      durability: 'full',
      progress: 'auto',
      json: false,
      verbosity: 0,
      insecureRegistries: [],
    });
  });

  it('says how layers are flushed and how long another process is waited for', async () => {
    const { settings } = await resolve({ flags: { durability: 'none' }, env: { CLIPCTL_LOCK_TIMEOUT: '5s' } });
    expect(settings).toMatchObject({ durability: 'none', lockTimeoutMs: 5000 });
    expect((await resolve({ config: { durability: 'none', lockTimeout: '1m' } })).settings).toMatchObject({
      durability: 'none',
      lockTimeoutMs: 60_000,
    });
    expect((await resolve({})).settings).not.toHaveProperty('lockTimeoutMs');
    await expect(resolve({ flags: { durability: 'some' } })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('is not set by an empty environment variable', async () => {
    expect((await resolve({ env: { CLIPCTL_JOBS: '' } })).settings.jobs).toBe(availableParallelism());
    expect((await resolve({ env: { CLIPCTL_OFFLINE: ' ' }, config: { offline: true } })).settings.offline).toBe(true);
  });

  it('can be switched off again by the environment', async () => {
    expect((await resolve({ env: { CLIPCTL_OFFLINE: 'false' }, config: { offline: true } })).settings.offline).toBe(false);
  });

  it('takes many values from flags, or from one variable, separated by white space', async () => {
    const hosts = (sources: Sources) => resolve(sources).then(({ settings }) => settings.insecureRegistries);
    expect(await hosts({ flags: { 'insecure-registry': ['a:1', 'b:2'] }, env: { CLIPCTL_INSECURE_REGISTRY: 'c' } })).toEqual([
      'a:1',
      'b:2',
    ]);
    expect(await hosts({ env: { CLIPCTL_INSECURE_REGISTRY: ' a:1\n b:2 ' } })).toEqual(['a:1', 'b:2']);
  });

  it('of --max-memory may be 4 MiB', async () => {
    expect((await resolve({ flags: { 'max-memory': '4MiB' } })).settings.maxMemoryBytes).toBe(4 * 1024 ** 2);
  });

  it('of a password is where it comes from: stdin goes before CLIPCTL_PASSWORD, and no flag or config file has it', async () => {
    const env = { CLIPCTL_PASSWORD: 'canary' };
    const flags = { username: 'me' };
    const from = (sources: Sources) => resolve(sources).then(({ settings }) => settings.passwordFrom);
    expect(await from({ flags, env })).toBe('environment');
    expect(await from({ env: { ...env, CLIPCTL_USERNAME: 'me' } })).toBe('environment');
    expect(await from({ env, config: { username: 'me' } })).toBe('environment');
    expect(await from({ flags: { ...flags, 'password-stdin': '--password-stdin' }, env })).toBe('stdin');
    expect(await from({ config: { username: 'me', password: 'canary' } })).toBeUndefined();
    expect(JSON.stringify((await resolve({ flags, env })).settings)).not.toContain('canary');
  });

  it('counts -v', async () => {
    expect((await resolve({ flags: { verbose: ['-v', '-v'] } })).settings.verbosity).toBe(2);
    expect((await resolve({ env: { CLIPCTL_VERBOSE: '1' } })).settings.verbosity).toBe(1);
  });

  it.each([
    [{ flags: { jobs: '0' } }, 'USAGE', '--jobs'],
    [{ flags: { jobs: '1e3' } }, 'USAGE', '--jobs'],
    [{ flags: { 'max-memory': 'much' } }, 'USAGE', '--max-memory'],
    [{ flags: { 'max-memory': '0' } }, 'USAGE', '--max-memory'],
    [{ flags: { 'max-memory': '4095KiB' } }, 'USAGE', 'at least 4MiB'],
    [{ env: { CLIPCTL_MAX_MEMORY: '1' } }, 'CONFIG_INVALID', 'at least 4MiB'],
    [{ flags: { timeout: '1 fortnight' } }, 'USAGE', '--timeout'],
    [{ flags: { progress: 'loud' } }, 'USAGE', '--progress'],
    [{ flags: { 'cache-dir': '' } }, 'USAGE', '--cache-dir'],
    [{ env: { CLIPCTL_RETRIES: 'x' } }, 'CONFIG_INVALID', 'CLIPCTL_RETRIES'],
    [{ env: { CLIPCTL_OFFLINE: 'maybe' } }, 'CONFIG_INVALID', 'CLIPCTL_OFFLINE'],
    [{ env: { CLIPCTL_CONFIG: '/nowhere/x.json' } }, 'CONFIG_INVALID', '/nowhere/x.json'],
    [{ flags: { username: 'me' } }, 'USAGE', '--password-stdin'],
    [{ flags: { 'password-stdin': '--password-stdin' } }, 'USAGE', '--username'],
    [{ env: { CLIPCTL_PASSWORD: 'x' } }, 'CONFIG_INVALID', 'CLIPCTL_USERNAME'],
  ])('that is wrong says where it stands: %j', async (sources, code, where) => {
    await expect(resolve(sources)).rejects.toMatchObject({ code, message: expect.stringContaining(where) as string });
  });
});

describe('remotes of the config file', () => {
  it('are read unless wo and written unless ro', () => {
    const remotes = [
      { url: 'file:///ro', mode: 'ro' },
      { url: 'file:///rw', mode: 'rw' },
      { url: 'file:///wo', mode: 'wo' },
    ] as const;
    expect(configuredRemotes({ remotes: [...remotes] })).toEqual({
      from: ['file:///ro', 'file:///rw'],
      to: ['file:///rw', 'file:///wo'],
    });
  });
});

describe('flags', () => {
  it('have an environment variable each, named after them', () => {
    for (const [name, flag] of Object.entries(GLOBAL_FLAGS)) expect(flag.env).toBe(environmentName(name));
    expect(environmentName('max-layer-size')).toBe('CLIPCTL_MAX_LAYER_SIZE');
  });
});
