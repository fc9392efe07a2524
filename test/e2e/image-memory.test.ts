/** How many images the disk cache remembers, so that its own state stays bounded. */
import { createHash } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedLayers } from './cache-state.ts';
import { makeMixedImage } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
const LIMIT = 4096;

let home: Home;
let records: string;
beforeEach(async () => {
  home = await makeHome();
  expect((await home.run(['warm', IMAGE])).code).toBe(0);
  records = join(home.cacheDir, '.clipctl/v1/images');
});
afterEach(() => home.remove());

/** The image `n` was used `n` minutes after `image-0`, and long before now. */
async function remember(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const image = `registry.example/image-${n}:v1`;
    const path = join(records, `${createHash('sha256').update(`${image}\0linux/amd64`).digest('hex')}.json`);
    await writeFile(path, JSON.stringify({ version: 1, image, platform: 'linux/amd64', layers: [] }));
    await utimes(path, 1_600_000_000 + n * 60, 1_600_000_000 + n * 60);
  }
}

async function remembered(): Promise<string[]> {
  const { images } = (await home.run(['cache', 'du', '--json'])).json<{ images: { image: string }[] }>();
  return images.map(({ image }) => image);
}

test('up to 4096 images are remembered; one more, and those go that were not used for longest, their layers stay', async () => {
  const other = await makeMixedImage(home.path('other'), 1000, ['gzip']);
  await remember(LIMIT - 1);
  expect((await home.run(['warm', IMAGE])).code).toBe(0);
  expect(await readdir(records)).toHaveLength(LIMIT);
  const layers = await cachedLayers(home);
  expect((await home.run(['warm', other.reference])).code).toBe(0);
  const names = await remembered();
  expect(names).toHaveLength(LIMIT - 64);
  // Of 4097 images 65 have gone.
  expect(names).toEqual(expect.arrayContaining([IMAGE, other.reference, 'registry.example/image-65:v1']));
  expect(names).not.toContain('registry.example/image-64:v1');
  expect(await cachedLayers(home)).toEqual(expect.arrayContaining(layers));
});
