/** `--max-cache-size` and `--min-free` where how large a layer is shows only when it is there. RELIABILITY §2 rows 11, 14. */
import { execFileSync } from 'node:child_process';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededContent } from '../cache/seeded-content.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';

const MIB = 1024 * 1024;

let home: Home;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await registry?.close();
  registry = undefined;
  await home.remove();
});

interface Image extends MadeLayout {
  /** In a registry. */
  readonly name: string;
}

async function serve(layers: readonly MadeLayer[]): Promise<Image> {
  await registry?.close();
  const layout = await makeLayout(home.path(`image-${layers.length}`), layers);
  registry = await startLoopbackRegistry({ repositories: { app: layout.directory } });
  return { ...layout, name: `${registry.host}/app:v1` };
}

/** Each way to bring layers into the disk cache. */
const COMMANDS: Readonly<Record<string, (image: Image) => string[]>> = {
  'warm REF': ({ name }) => ['warm', name],
  'warm oci:LAYOUT': ({ reference }) => ['warm', reference],
  'index REF --warm': ({ name }) => ['index', name, '-o', home.path('app.clip'), '--warm'],
  'index REF --to': ({ name }) => ['index', name, '-o', home.path('app.clip'), '--to', `file://${home.path('remote')}`],
  'push-cache REF': ({ name }) => ['push-cache', name, '--to', `file://${home.path('remote')}`],
};
const EACH = Object.keys(COMMANDS);
const FROM_REGISTRY = EACH.filter((name) => name.includes('REF'));

function run(command: string, image: Image, flags: readonly string[]): Promise<CliResult> {
  return home.run([...(COMMANDS[command]?.(image) ?? []), '--json', '--progress', 'none', '--min-free', '0', ...flags]);
}

/** Compressed to nearly nothing. */
function layerOf(sizeMib: number, fill: number): MadeLayer {
  return { files: { 'a.bin': Buffer.alloc(sizeMib * MIB, fill) } };
}

function noise(sizeMib: number, seed: number): MadeLayer {
  return { files: { 'a.bin': Buffer.from(seededContent(seed, sizeMib * MIB).slice(0, sizeMib * MIB)) } };
}

function diskBytes(): number {
  return Number(execFileSync('du', ['-s', '--block-size=1', home.cacheDir], { encoding: 'utf8' }).split('\t')[0]);
}

async function layersAndTransfers(): Promise<{ layers: number; transfers: string[] }> {
  return { layers: (await cachedLayers(home)).length, transfers: await readdir(join(home.cacheDir, '.clipctl/v1/ingest')) };
}

describe('a layer that turns out larger than --max-cache-size', () => {
  it.each(EACH)('is refused by %s with 8, need and have, and nothing of it is left', async (command) => {
    const image = await serve([layerOf(50, 1)]);
    const refused = await run(command, image, ['--max-cache-size', '10MiB']);
    expect(refused.code, refused.stdout).toBe(8);
    expect(refused.json().error).toMatchObject({
      code: 'STORAGE_FULL',
      message: expect.stringMatching(/is full: more than 10[34]\d{5} bytes needed, 10[34]\d{5} left of 10485760;/) as string,
    });
    expect(await layersAndTransfers()).toEqual({ layers: 0, transfers: [] });
    expect(diskBytes()).toBeLessThan(MIB);
  });

  it.each(EACH)('is refused by %s with 8 beside those that fit, which stay below the cap', async (command) => {
    const image = await serve([layerOf(24, 1), layerOf(24, 2), layerOf(24, 3)]);
    expect((await run(command, image, ['--max-cache-size', '60MiB'])).code).toBe(8);
    expect(await layersAndTransfers()).toEqual({ layers: 2, transfers: [] });
    expect(diskBytes()).toBeLessThan(60 * MIB);
  });

  it.each(EACH)('comes with %s in the place of what was not used for long', async (command) => {
    expect((await run('warm REF', await serve([layerOf(24, 1)]), [])).code).toBe(0);
    const [old = ''] = await cachedLayers(home);
    const yesterday = Date.now() / 1000 - 86_400;
    await utimes(join(home.cacheDir, '.clipctl/v1/layers', `${old}.json`), yesterday, yesterday);
    const image = await serve([layerOf(24, 2), layerOf(24, 3)]);
    expect((await run(command, image, ['--max-cache-size', '60MiB'])).code).toBe(0);
    const left = await cachedLayers(home);
    expect(left).not.toContain(old);
    expect(left).toHaveLength(2);
    expect(diskBytes()).toBeLessThan(60 * MIB);
  });
});

it('two processes that bring a layer each at once, of which one fits, keep one, and the other ends with 8', async () => {
  const images = await Promise.all([1, 2].map((fill) => makeLayout(home.path(`image-of-${fill}`), [layerOf(24, fill)])));
  const flags = ['--min-free', '0', '--max-cache-size', '40MiB', '--progress', 'none'];
  const codes = await Promise.all(images.map(async ({ reference }) => (await home.run(['warm', reference, ...flags])).code));
  const { layers, transfers } = await layersAndTransfers();
  expect({ layers, transfers, codes: codes.sort() }).toEqual({ layers: 1, transfers: [], codes: [0, 8] });
  expect(diskBytes()).toBeLessThan(40 * MIB);
});

it('four processes that bring forty small layers each at once stay below the cap together', async () => {
  const layersOf = (part: number): MadeLayer[] => Array.from({ length: 40 }, (_, at) => layerOf(1, part * 40 + at));
  const images = await Promise.all([0, 1, 2, 3].map((part) => makeLayout(home.path(`image-of-${part}`), layersOf(part))));
  const flags = ['--min-free', '0', '--max-cache-size', '80MiB', '--progress', 'none'];
  const codes = await Promise.all(images.map(async ({ reference }) => (await home.run(['warm', reference, ...flags])).code));
  expect(codes.filter((code) => code !== 0 && code !== 8)).toEqual([]);
  expect(diskBytes()).toBeLessThan(80 * MIB);
  expect((await layersAndTransfers()).transfers).toEqual([]);
});

describe('layers of which the compressed bytes alone do not fit together', () => {
  it.each(FROM_REGISTRY)('are refused by %s with 8 before one is asked for', async (command) => {
    const image = await serve([noise(10, 1), noise(10, 2)]);
    const { code, stdout } = await run(command, image, ['--max-cache-size', '16MiB']);
    expect(code, stdout).toBe(8);
    const asked = registry?.requests.filter(({ path }) => image.layers.some(({ digest }) => path.endsWith(digest)));
    expect(asked).toEqual([]);
    expect(registry?.bytesServed).toBeLessThan(4096);
  });
});
