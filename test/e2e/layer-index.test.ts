/** Layer indexes are kept by digest: a layer is read once for all images and all runs. */
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';
import { halfNoise, servedOf } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const FIXTURES = ['odd-gzip', 'odd-zstd', 'odd-plain', 'odd-docker', 'odd-members', 'duplayer'];
const fixture = (name: string): string => `oci:${fileURLToPath(new URL(`../fixtures/${name}/oci`, import.meta.url))}`;

let home: Home;
let files: string;
beforeEach(async () => {
  home = await makeHome();
  files = join(home.cacheDir, '.clipctl/v1/index');
});
afterEach(() => home.remove());

interface Indexed {
  readonly platforms: readonly { readonly layers: readonly { readonly source: string; readonly entries: number }[] }[];
}

async function index(name: string, ...args: string[]): Promise<{ sources: Set<string | undefined>; bytes: Buffer }> {
  const result = await home.run(['index', fixture(name), '-o', home.path('x.clip'), '--json', ...args]);
  expect(result.code).toBe(0);
  const sources = new Set(
    result.json<Indexed & { schemaVersion: 1; command: string }>().platforms[0]?.layers.map((layer) => layer.source),
  );
  return { sources, bytes: await readFile(home.path('x.clip')) };
}

describe('a second index', () => {
  it.each(FIXTURES)('of %s reads no layer and gives the same bytes', async (name) => {
    const first = await index(name);
    const second = await index(name);
    expect([[...first.sources], [...second.sources]]).toEqual([['layout'], ['layer-index']]);
    expect(second.bytes.equals(first.bytes)).toBe(true);
  });

  it('with another checkpoint interval reads the layers again', async () => {
    await index('odd-gzip');
    expect([...(await index('odd-gzip', '--checkpoint-interval', '64KiB')).sources]).toEqual(['layout']);
  });

  it.each([
    ['none given', [], 3],
    ['1MiB', ['--checkpoint-interval', '1MiB'], 10],
    ['64KiB', ['--checkpoint-interval', '64KiB'], 150],
  ] as const)('has a checkpoint for each interval: %s', async (_name, flags, expected) => {
    const { reference } = await makeLayout(home.path('app'), [{ files: { 'a.bin': halfNoise(10 * 1024 * 1024, 1) } }]);
    const result = await home.run(['index', reference, '-o', home.path('x.clip'), '--json', ...flags]);
    expect(result.code, result.stderr).toBe(0);
    const { platforms } = result.json<{ platforms: { layers: { checkpoints: number }[] }[] }>();
    const checkpoints = platforms[0]?.layers[0]?.checkpoints ?? 0;
    // A block of the encoder may be longer than the smallest interval.
    expect(checkpoints).toBeGreaterThanOrEqual(expected);
    expect(checkpoints).toBeLessThanOrEqual(expected * 1.15);
  });

  it('with a checkpoint interval below 64 KiB is refused as usage', async () => {
    const { code } = await home.run(['index', fixture('odd-gzip'), '-o', home.path('x.clip'), '--checkpoint-interval', '32KiB']);
    expect(code).toBe(2);
  });

  it('with --warm brings the layers that are not on disk, and none after that', async () => {
    await index('odd-gzip');
    expect([...(await index('odd-gzip', '--warm')).sources]).toEqual(['layout']);
    expect([...(await index('odd-gzip', '--warm')).sources]).toEqual(['layer-index']);
    expect((await home.run(['inspect', fixture('odd-gzip'), '--check-warm'])).code).toBe(0);
  });
});

describe('an image that shares its base with one that was indexed', () => {
  it('is indexed without a byte of the base, its own layer is fetched once, and the index is what a fresh cache gives', async () => {
    const base: MadeLayer = { files: { 'base.bin': halfNoise(3_000_000, 1) } };
    const one = await makeLayout(home.path('one'), [base, { files: { a: 'of the one' } }]);
    const other = await makeLayout(home.path('other'), [base, { files: { b: 'of the other' } }]);
    const registry = await startLoopbackRegistry({ repositories: { one: one.directory, other: other.directory } });
    try {
      const sourcesOf = async (name: string, ...more: string[]): Promise<string[]> => {
        const command = ['index', `${registry.host}/${name}:v1`, '-o', home.path(`${name}.clip`), '--json', ...more];
        const [platform] = (await home.run(command)).json<Indexed>().platforms;
        return platform?.layers.map(({ source }) => source) ?? [];
      };
      const [baseDigest, ownDigest] = other.layers.map(({ digest }) => digest) as [string, string];
      expect(await sourcesOf('one')).toEqual(['registry', 'registry']);
      const served = servedOf(registry, baseDigest);
      expect(served).toBe(one.layers[0]?.compressedBytes);
      expect(await sourcesOf('other')).toEqual(['layer-index', 'registry']);
      expect(servedOf(registry, baseDigest)).toBe(served);
      expect(servedOf(registry, ownDigest)).toBe(other.layers[1]?.compressedBytes);
      const shared = await readFile(home.path('other.clip'));
      expect(await sourcesOf('other', '--cache-dir', home.path('fresh'))).toEqual(['registry', 'registry']);
      expect((await readFile(home.path('other.clip'))).equals(shared)).toBe(true);
    } finally {
      await registry.close();
    }
  });
});

describe('a dry run', () => {
  it('plans to read only layers whose index is not known, and with --warm those that are not on disk', async () => {
    const tiers = async (...args: string[]): Promise<string[]> => {
      const planned = await home.run(['index', fixture('odd-gzip'), '--dry-run', '--json', ...args]);
      return Object.keys(planned.json<{ tiers: object }>().tiers);
    };
    expect(await tiers()).toEqual(['layout']);
    await index('odd-gzip');
    expect([await tiers(), await tiers('--warm')]).toEqual([['layer-index'], ['layout']]);
    await index('odd-gzip', '--warm');
    expect(await tiers('--warm')).toEqual(['layer-index']);
    expect(await tiers('--checkpoint-interval', '64KiB')).toEqual(['layout']);
  });
});

describe('a kept index that is', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['cut', async (path) => truncate(path, 100)],
    ['empty', async (path) => truncate(path, 0)],
    ['of another version', async (path) => writeFile(path, (await readFile(path)).fill('9', 20, 21))],
    ['changed by a bit', async (path) => flip(path)],
    ['gone', async (path) => rm(path)],
  ])('%s is a miss', async (_what, damage) => {
    const { bytes } = await index('odd-gzip');
    for (const name of await readdir(files)) await damage(join(files, name));
    const again = await index('odd-gzip');
    expect([...again.sources]).toContain('layout');
    expect(again.bytes.equals(bytes)).toBe(true);
  });
});

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.length - 9;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
