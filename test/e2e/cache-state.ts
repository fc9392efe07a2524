import { readdir } from 'node:fs/promises';
import type { Home } from './run-cli.ts';

/** Final names in the disk cache: 64 hex digits. */
export async function cachedLayers({ cacheDir }: Pick<Home, 'cacheDir'>): Promise<string[]> {
  const names = await readdir(cacheDir).catch(() => []);
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort();
}

/** What unfinished work left: ingest files and temporary names anywhere in the home. */
export async function leftovers({ dir }: Pick<Home, 'dir'>): Promise<string[]> {
  const names = await readdir(dir, { recursive: true });
  return names.filter((name) => name.includes('/ingest/') || name.endsWith('.tmp'));
}
