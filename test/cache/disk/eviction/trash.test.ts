import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { evictLayers } from '../../../../src/lib/cache/disk/evict-layers.ts';
import { surveyCache } from '../../../../src/lib/cache/disk/survey.ts';
import { signal } from '../../cache-directory.ts';
import { layersOf, makeSizedCache, type SizedCache } from './sized-cache.ts';

let dir: SizedCache;
let trash: string;
beforeEach(async () => {
  dir = await makeSizedCache();
  trash = join(dir.path, '.clipctl/v1/trash');
});
afterEach(() => dir.remove());

const nobody = (): Promise<Set<never>> => Promise.resolve(new Set());

it('evictions of the same layers at once, of which each finds some gone, leave nothing', async () => {
  for (let round = 0; round < 20; round += 1) {
    const layers = layersOf(6, 7000 + round * 10);
    await dir.fill(...layers);
    const survey = await surveyCache(dir.path, { signal });
    const evict = (): Promise<unknown> => evictLayers(dir.path, survey.layers, { readHeld: nobody });
    await Promise.all([evict(), evict(), evict()]);
    expect(await readdir(trash)).toEqual([]);
    expect(await dir.present(...layers)).toEqual(layers.map(() => false));
  }
});

it('what an eviction left whose process has ended goes with the next; what nobody can tell of stays for 10 minutes', async () => {
  const layers = layersOf(2);
  await dir.fill(...layers);
  await mkdir(trash, { recursive: true });
  let own = '';
  const { layers: surveyed } = await surveyCache(dir.path, { signal });
  const readHeld = async (): Promise<Set<never>> => {
    own = (await readdir(trash))[0] ?? '';
    return new Set();
  };
  await evictLayers(dir.path, surveyed.slice(0, 1), { readHeld });
  const [space, pid, ticks, random] = own.split('-');
  const names = {
    dead: [space, pid, `${ticks ?? ''}1`, random].join('-'),
    running: own,
    elsewhere: ['0'.repeat(16), pid, ticks, random].join('-'),
    unknown: 'precious',
  };
  for (const name of Object.values(names)) await writeFile(join(trash, name), 'x');
  await evictLayers(dir.path, surveyed.slice(1), { readHeld: nobody });
  expect((await readdir(trash)).sort()).toEqual([names.running, names.elsewhere, names.unknown].sort());
});
