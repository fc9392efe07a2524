/** How much the cache may take and how much it leaves free: two caps that hold at once, both on by default. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../errno.ts';

const GIB = 1024 ** 3;

export interface SpaceOptions {
  /** Own bytes, in disk blocks. Default: half of the file system. */
  readonly maxCacheBytes?: number;
  /** Free space of the file system. Default: the larger of 1 GiB and 5 %, but never over a quarter of it. */
  readonly minFreeBytes?: number;
}

export interface SpaceLimits {
  readonly maxCacheBytes: number;
  readonly minFreeBytes: number;
  /** `undefined` = the file system does not tell. */
  readonly freeBytes: number | undefined;
}

export async function resolveLimits(cacheDir: string, { maxCacheBytes, minFreeBytes }: SpaceOptions): Promise<SpaceLimits> {
  const found = await statfsOfNearest(cacheDir);
  if (found === undefined)
    return { maxCacheBytes: maxCacheBytes ?? Infinity, minFreeBytes: minFreeBytes ?? 0, freeBytes: undefined };
  const totalBytes = found.blocks * found.bsize;
  return {
    maxCacheBytes: maxCacheBytes ?? Math.floor(totalBytes / 2),
    minFreeBytes: minFreeBytes ?? Math.floor(Math.min(Math.max(GIB, totalBytes / 20), totalBytes / 4)),
    freeBytes: found.bavail * found.bsize,
  };
}

/** As it would be with so many bytes more free. */
export function withMoreFree(limits: SpaceLimits, bytes: number): SpaceLimits {
  return { ...limits, freeBytes: limits.freeBytes === undefined ? undefined : limits.freeBytes + bytes };
}

interface FileSystemFigures {
  readonly blocks: number;
  readonly bavail: number;
  readonly bsize: number;
}

/** Of the directory, or of the parent it will be made in. */
async function statfsOfNearest(path: string): Promise<FileSystemFigures | undefined> {
  try {
    const found = await statfs(path);
    return found.blocks === 0 ? undefined : found;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) return undefined;
    return statfsOfNearest(dirname(path));
  }
}

/** After an eviction this much less than the cap is taken, so that the next layer does not evict again. */
const LOW_WATER = 0.9;
const FLOOR_SLACK = 1.1;

/**
 * Space that has to be gained before `incomingBytes` may come; 0 = they fit. Above high water it is enough to get down
 * to low water.
 */
export function neededSpace(
  { maxCacheBytes, minFreeBytes, freeBytes }: SpaceLimits,
  ownBytes: number,
  incomingBytes: number,
): number {
  const over = ownBytes + incomingBytes - maxCacheBytes;
  const under = freeBytes === undefined ? 0 : minFreeBytes + incomingBytes - freeBytes;
  const forCap = over > 0 ? ownBytes + incomingBytes - Math.floor(maxCacheBytes * LOW_WATER) : 0;
  const forFloor = under > 0 ? under + Math.ceil(minFreeBytes * (FLOOR_SLACK - 1)) : 0;
  return Math.max(forCap, forFloor, 0);
}

/** What is missing at least, without the slack of low water. */
export function missingSpace(
  { maxCacheBytes, minFreeBytes, freeBytes }: SpaceLimits,
  ownBytes: number,
  incomingBytes: number,
): number {
  const over = ownBytes + incomingBytes - maxCacheBytes;
  const under = freeBytes === undefined ? 0 : minFreeBytes + incomingBytes - freeBytes;
  return Math.max(over, under, 0);
}

/** What may still come; less than 0 = something should go. */
export function roomLeft({ maxCacheBytes, minFreeBytes, freeBytes }: SpaceLimits, ownBytes: number): number {
  const free = freeBytes === undefined ? Infinity : freeBytes - minFreeBytes;
  return Math.min(maxCacheBytes - ownBytes, free);
}
