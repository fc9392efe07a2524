/** Remote caches from outside: the config file's modes, several tiers, what is wrong and how it is mended. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

let home: Home;
let app: MadeLayout;
const near = (): string => `file://${home.path('near')}`;
const far = (): string => `file://${home.path('far')}`;

beforeEach(async () => {
  home = await makeHome();
  app = await makeLayout(home.path('app'), [
    { files: { 'etc/base': Buffer.alloc(200_000, 'base') } },
    { files: { 'opt/app': 'app' }, compression: 'zstd' },
  ]);
});
afterEach(() => home.remove());

async function warm(...args: string[]): Promise<WarmResult> {
  const result = await home.run(['warm', app.reference, ...args, '--json']);
  expect(result.code, result.stderr).toBe(0);
  return result.json<WarmResult>();
}

async function configure(remotes: readonly { readonly url: string; readonly mode?: string }[]): Promise<void> {
  const path = home.path('config/clipctl/config.json');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, JSON.stringify({ remotes }));
}

const coldDisk = (): Promise<void> => rm(home.cacheDir, { recursive: true, force: true });
const hexOf = (at: number): string => app.layers[at]?.diffId.slice('sha256:'.length) ?? '';
const namesIn = async (name: string): Promise<string[]> => readdir(home.path(name)).catch(() => []);
const layersIn = async (name: string): Promise<string[]> => (await namesIn(name)).filter((file) => /^[0-9a-f]{64}$/.test(file));
const servedBy = (result: WarmResult): string[] => result.images.flatMap(({ layers }) => layers.map((layer) => layer.servedBy));

async function poison(name: string, at: number): Promise<void> {
  const path = join(home.path(name), hexOf(at));
  const bytes = await readFile(path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  await rm(path);
  await writeFile(path, bytes);
}

describe('remotes of the config file', () => {
  it('are read and filled by their modes where no flag names any', async () => {
    await warm('--to', far());
    await coldDisk();
    await configure([{ url: near() }, { url: far(), mode: 'ro' }]);
    expect(servedBy(await warm())).toEqual(['remote', 'remote']);
    expect(await layersIn('near')).toHaveLength(2);
  });

  it('"wo" is filled and not read, "ro" is read and not written', async () => {
    await configure([
      { url: near(), mode: 'wo' },
      { url: far(), mode: 'ro' },
    ]);
    const first = await warm();
    expect(servedBy(first)).toEqual(['layout', 'layout']);
    expect([await layersIn('near'), await namesIn('far')].map((names) => names.length)).toEqual([2, 0]);
    await coldDisk();
    expect(servedBy(await warm())).toEqual(['layout', 'layout']);
    expect(first.remotes.map(({ url, misses, stored }) => [url, misses, stored])).toEqual([
      [far(), 2, 0],
      [near(), 0, 2],
    ]);
  });

  it.each([
    ['--to', 'ro'],
    ['--from', 'wo'],
  ])('a flag %s against the mode %s exits 2', async (flag, mode) => {
    await configure([{ url: near(), mode }]);
    const result = await home.run(['warm', app.reference, flag, near()]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`mode "${mode}"`);
  });

  it('are what push-cache fills and inspect asks', async () => {
    await configure([{ url: near() }, { url: far(), mode: 'ro' }]);
    expect((await home.run(['push-cache', app.reference])).code).toBe(0);
    expect([await layersIn('near'), await namesIn('far')].map((names) => names.length)).toEqual([2, 0]);
    const inspected = await home.run(['inspect', app.reference, '--json']);
    expect(inspected.json()).toMatchObject({ layers: [{ tiers: { remote: { [near()]: true, [far()]: false } } }, {}] });
  });
});

describe('several remotes', () => {
  it('a hit in the second fills the first that may be written', async () => {
    await warm('--to', far());
    await coldDisk();
    const document = await warm('--from', near(), '--from', far(), '--to', near());
    expect(servedBy(document)).toEqual(['remote', 'remote']);
    expect(document.remotes).toMatchObject([
      { url: near(), hits: 0, misses: 2, stored: 2 },
      { url: far(), hits: 2, misses: 0, stored: 0 },
    ]);
    expect(await layersIn('near')).toHaveLength(2);
  });

  it('what the first holds wrong the second serves', async () => {
    await warm('--to', near(), '--to', far());
    await poison('near', 0);
    await coldDisk();
    const document = await warm('--from', near(), '--from', far());
    expect(servedBy(document)).toEqual(['remote', 'remote']);
    expect(document.remotes).toMatchObject([
      { corrupt: 1, hits: 1 },
      { corrupt: 0, hits: 1 },
    ]);
  });
});

describe('wrong content of a remote', () => {
  beforeEach(async () => {
    await warm('--to', near());
    await poison('near', 0);
    await coldDisk();
  });

  it('is counted, warned of once, and not said to be stored', async () => {
    const document = await warm('--from', near(), '--to', near());
    expect(servedBy(document)).toEqual(['layout', 'remote']);
    expect(document.images[0]?.layers.map(({ stored }) => stored)).toEqual([[], [near()]]);
    expect(document.remotes).toMatchObject([{ url: near(), hits: 1, corrupt: 1, repaired: 0, skipped: 1 }]);
    expect(document.warnings).toHaveLength(1);
    expect(document.warnings[0]).toContain(`holds wrong bytes for layer ${app.layers[0]?.digest}`);
  });

  it('is overwritten with --repair-remote', async () => {
    const repaired = await warm('--from', near(), '--repair-remote');
    expect(repaired.remotes).toMatchObject([{ corrupt: 1, repaired: 1 }]);
    await coldDisk();
    expect(servedBy(await warm('--from', near()))).toEqual(['remote', 'remote']);
  });

  it('stays as it is in a read-only remote', async () => {
    await configure([{ url: near(), mode: 'ro' }]);
    const before = await readFile(home.path('near', hexOf(0)));
    const document = await warm('--repair-remote');
    expect(document.remotes).toMatchObject([{ corrupt: 1, repaired: 0 }]);
    expect(await readFile(home.path('near', hexOf(0)))).toEqual(before);
  });

  it('is no failure of a required remote once it is overwritten', async () => {
    const result = await home.run(['warm', app.reference, '--from', near(), '--remote', 'required', '--repair-remote', '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(result.json<WarmResult>().remotes).toMatchObject([{ corrupt: 1, repaired: 1 }]);
  });

  it('exits 11 when the remote is required, after the registry served', async () => {
    const result: CliResult = await home.run(['warm', app.reference, '--from', near(), '--remote', 'required', '--json']);
    expect([result.code, result.json().error?.code]).toEqual([11, 'REMOTE_FAILED']);
    expect((await home.run(['inspect', app.reference, '--check-warm'])).code).toBe(0);
  });
});

describe('a file remote whose file has another size', () => {
  const damages: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    ['cut', (bytes) => bytes.subarray(0, 100_000)],
    ['longer', (bytes) => Buffer.concat([bytes, Buffer.from('more')])],
    ['a page of HTML', () => Buffer.from('<html>not found</html>')],
    ['empty', () => Buffer.alloc(0)],
  ];

  it.each(damages)('%s: is wrong content and no miss, and is overwritten with --repair-remote', async (_what, damage) => {
    await warm('--to', near());
    const path = join(home.path('near'), hexOf(0));
    const right = await readFile(path);
    await rm(path);
    await writeFile(path, damage(right));
    await coldDisk();
    const document = await warm('--from', near());
    expect(servedBy(document)).toEqual(['layout', 'remote']);
    expect(document.remotes).toMatchObject([{ corrupt: 1, misses: 0, repaired: 0 }]);
    expect(document.warnings[0]).toContain('holds wrong bytes');
    await coldDisk();
    expect((await warm('--from', near(), '--repair-remote')).remotes).toMatchObject([{ corrupt: 1, repaired: 1 }]);
    expect(await readFile(path)).toEqual(right);
  });
});

describe('--verify', () => {
  const push = (...args: string[]): Promise<CliResult> =>
    home.run(['push-cache', app.reference, '--to', near(), ...args, '--json']);

  it.each(['quick', 'full'])('%s reads back what was pushed, and reports the share by bytes', async (mode) => {
    const result = await push('--verify', mode);
    expect(result.code, result.stderr).toBe(0);
    const bytes = app.layers.reduce((sum, layer) => sum + layer.uncompressedBytes, 0);
    expect(result.json()['verification']).toEqual({
      mode,
      tiers: [{ tier: near(), layers: 2, hits: 2, bytes, hitBytes: bytes, hitRatio: 1, checkedBytes: bytes, wrong: [] }],
    });
  });

  it('of wrong content that was skipped exits 7', async () => {
    await push();
    await poison('near', 0);
    expect((await push()).code).toBe(0);
    const result = await push('--verify', 'full');
    expect([result.code, result.json().error?.code]).toEqual([7, 'CACHE_CORRUPT']);
  });

  it('of a warm costs a warning when an optional remote is wrong', async () => {
    await push();
    await poison('near', 1);
    const document = await warm('--to', near(), '--verify', 'full');
    expect(document.verification?.tiers.map(({ tier, hits, wrong }) => [tier, hits, wrong.length])).toEqual([
      ['disk', 2, 0],
      [near(), 1, 1],
    ]);
    expect(document.warnings.join()).toContain('1 of 2 layers not right');
  });

  it('quick with an index looks at ends and a sample of a large layer', async () => {
    const MIB = 1 << 20;
    const big = await makeLayout(home.path('big'), [{ files: { big: Buffer.alloc(40 * MIB, 'x') }, compression: 'none' }]);
    expect((await home.run(['index', big.reference, '-o', 'big.clip', '--warm'])).code).toBe(0);
    const result = await home.run(['push-cache', 'big.clip', '--to', near(), '--verify', 'quick', '--json']);
    const { verification } = result.json<{ verification: NonNullable<WarmResult['verification']> }>();
    expect(verification.tiers[0]?.checkedBytes).toBeGreaterThan(8 * MIB);
    expect(verification.tiers[0]?.checkedBytes).toBeLessThanOrEqual(12 * MIB);
  });
});

describe('--no-disk', () => {
  it('pushes an image straight through, and leaves the disk cache empty', async () => {
    const result = await home.run(['push-cache', app.reference, '--to', near(), '--no-disk', '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(await layersIn('near')).toHaveLength(2);
    expect((await readdir(home.cacheDir).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
  });

  it.each([[['--no-disk']], [['--no-disk', '--to', 'NEAR', '--from', 'NEAR']]])('warm %j exits 2', async (flags) => {
    const args = flags.map((flag) => (flag === 'NEAR' ? near() : flag));
    expect((await home.run(['warm', app.reference, ...args])).code).toBe(2);
  });
});
