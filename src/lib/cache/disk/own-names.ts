/** How our own directories in a cache directory are called (FORMATS §2). What is in them is reached through cache-layout.ts. */
import { join } from 'node:path';

/** Of our own state under `.clipctl/`. */
export const CACHE_VERSION = 1;

/** What the first write makes. */
export const OWN_DIRECTORIES = ['ingest', 'layers', 'locks', 'index', 'documents', 'images', 'pins', 'leases'] as const;

/** Made by those who need them. */
export const LATER_DIRECTORIES = ['trash', 'uploads'] as const;

export type OwnDirectory = (typeof OWN_DIRECTORIES | typeof LATER_DIRECTORIES)[number];

export const ALL_DIRECTORIES: readonly OwnDirectory[] = [...OWN_DIRECTORIES, ...LATER_DIRECTORIES];

/** From the cache directory down to the directory of our own state. */
export const OWN_PATH = ['.clipctl', `v${CACHE_VERSION}`] as const;

/** The path of one of them, or of the directory that they stand in: to look at, and to tell of. */
export function ownPath(cacheDir: string, name = ''): string {
  return join(cacheDir, ...OWN_PATH, name);
}
