/** Layers whose size shows only while they come: both limits hold all the time. RELIABILITY §2 rows 11, 14. */
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';
import { watchSpace } from './watch-space.ts';

const MIB = 1024 * 1024;

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

/** Compressed to nearly nothing. */
function layerOf(sizeMib: number, fill: number, compression: LayerCompression = 'gzip'): MadeLayer {
  return { files: { 'a.bin': Buffer.alloc(sizeMib * MIB, fill) }, compression };
}

function image(name: string, layers: readonly MadeLayer[]): Promise<MadeLayout> {
  return makeLayout(home.path(name), layers);
}

function warm({ reference }: Pick<MadeLayout, 'reference'>, ...flags: string[]): Promise<CliResult> {
  return home.run(['warm', reference, '--json', '--progress', 'none', '--min-free', '0', ...flags]);
}

async function transfers(): Promise<string[]> {
  return readdir(join(home.cacheDir, '.clipctl/v1/ingest'));
}

async function makeOld(layer: string): Promise<void> {
  const yesterday = Date.now() / 1000 - 86_400;
  await utimes(join(home.cacheDir, '.clipctl/v1/layers', `${layer}.json`), yesterday, yesterday);
}

describe('while layers grow beyond what was known of them, the cache stays below --max-cache-size', () => {
  it.each<LayerCompression>(['gzip', 'zstd'])('with one of %s that never fits', async (compression) => {
    const made = await image('image', [layerOf(50, 1, compression)]);
    const { result, peakIngestBytes } = await watchSpace(home.cacheDir, () => warm(made, '--max-cache-size', '10MiB'));
    expect(result.code, result.stdout).toBe(8);
    expect(peakIngestBytes).toBeLessThanOrEqual(10 * MIB);
    expect(await transfers()).toEqual([]);
  });

  it('with four at once of which two fit, and two are there at the end', async () => {
    const made = await image(
      'image',
      [1, 2, 3, 4].map((fill) => layerOf(24, fill)),
    );
    const flags = ['--max-cache-size', '60MiB', '--jobs', '4'];
    const { result, peakBytes } = await watchSpace(home.cacheDir, () => warm(made, ...flags));
    expect(result.code, result.stdout).toBe(8);
    expect(peakBytes).toBeLessThanOrEqual(60 * MIB);
    expect(await cachedLayers(home)).toHaveLength(2);
  });

  it('with two in two processes of which one fits, and that is there at the end', async () => {
    const images = await Promise.all([1, 2].map((fill) => image(`image-${fill}`, [layerOf(24, fill)])));
    const { result, peakBytes } = await watchSpace(home.cacheDir, () =>
      Promise.all(images.map((each) => warm(each, '--max-cache-size', '40MiB'))),
    );
    expect(result.map(({ code }) => code).sort()).toEqual([0, 8]);
    expect(peakBytes).toBeLessThanOrEqual(40 * MIB);
    expect(await cachedLayers(home)).toHaveLength(1);
    expect(await transfers()).toEqual([]);
  });

  it('with one that takes the place of what was not used for long', async () => {
    expect((await warm(await image('old', [layerOf(24, 1)]))).code).toBe(0);
    const [old = ''] = await cachedLayers(home);
    await makeOld(old);
    const made = await image('image', [layerOf(50, 2)]);
    const { result, peakBytes } = await watchSpace(home.cacheDir, () => warm(made, '--max-cache-size', '60MiB'));
    expect(result.code, result.stdout).toBe(0);
    expect(peakBytes).toBeLessThanOrEqual(60 * MIB);
    expect(await cachedLayers(home)).not.toContain(old);
  });
});
