/** A cache directory with small layers of known age. */
import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskCache, type DiskCache } from '../../../../src/lib/cache/disk/disk-cache.ts';
import type { DiskCacheOptions } from '../../../../src/lib/cache/disk/disk-cache-options.ts';
import { readdir } from 'node:fs/promises';
import { makeCacheDirectory, storeIn, type CacheDirectory } from '../../cache-directory.ts';
import { seededContent, type SeededContent } from '../../seeded-content.ts';

export const LAYER_BYTES = 256 * 1024;
const MINUTE_MS = 60_000;

export interface SizedCache extends CacheDirectory {
  readonly openWith: (options: Partial<DiskCacheOptions>) => DiskCache;
  /** Stores layers, the first used longest ago, each a minute after the one before, all before an hour ago. */
  readonly fill: (...layers: readonly SeededContent[]) => Promise<void>;
  /** The layers on disk, of those given. */
  readonly present: (...layers: readonly SeededContent[]) => Promise<boolean[]>;
}

export async function makeSizedCache(): Promise<SizedCache> {
  const dir = await makeCacheDirectory();
  const openWith = (options: Partial<DiskCacheOptions>): DiskCache =>
    openDiskCache(dir.path, { budget: dir.budget, minFreeBytes: 0, ...options });
  return {
    ...dir,
    openWith,
    fill: async (...layers) => {
      const cache = openWith({ maxCacheBytes: Infinity });
      for (const layer of layers) await storeIn(cache, layer);
      await cache.close();
      for (const [at, layer] of layers.entries()) await setAge(dir.path, layer, (60 + layers.length - at) * MINUTE_MS);
    },
    present: async (...layers) => {
      const names = await readdir(dir.path);
      return layers.map(({ hash }) => names.includes(hash));
    },
  };
}

/** Makes a layer one that was last used so long ago. */
export async function setAge(path: string, { hash }: SeededContent, ageMs: number): Promise<void> {
  const then = (Date.now() - ageMs) / 1000;
  await utimes(join(path, '.clipctl/v1/layers', `${hash}.json`), then, then);
}

export function layersOf(count: number, seed = 7000): SeededContent[] {
  return Array.from({ length: count }, (_, at) => seededContent(seed + at, LAYER_BYTES));
}

/** A name that no layer has. */
export function digestOfText(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
