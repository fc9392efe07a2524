/** What files take on disk, in the blocks that `du` counts. Nothing is opened and no link followed. */
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** POSIX st_blocks counts in these, whatever the file system's own block is. */
const STAT_BLOCK_BYTES = 512;
/** Of a foreign tree no more is looked at: it is theirs, and may be anything. */
const MAX_ENTRIES = 200_000;

export interface TreeUsage {
  readonly diskBytes: number;
  /** What is no directory. */
  readonly files: number;
}

/** Space that a file takes. A sparse file takes less than its size, a small one more. */
export function diskBytesOf(stats: Pick<Stats, 'blocks'>): number {
  return stats.blocks * STAT_BLOCK_BYTES;
}

export interface TreeExceptions {
  /** Counts nothing, with all that is below. */
  readonly except?: string;
  /** Inodes of files that are counted elsewhere, by another name. */
  readonly counted?: ReadonlySet<number>;
}

/** A path and everything below, on its own file system; what can't be looked at, or goes meanwhile, counts nothing. */
export async function usageOfTree(path: string, { except, counted = new Set() }: TreeExceptions = {}): Promise<TreeUsage> {
  const seen = new Set(counted);
  const pending = [path];
  const usage = { diskBytes: 0, files: 0 };
  let device: number | undefined;
  for (let looked = 0; looked < MAX_ENTRIES; looked += 1) {
    const next = pending.pop();
    if (next === undefined) break;
    const stats = await lstat(next).catch(() => undefined);
    if (stats === undefined || stats.dev !== (device ??= stats.dev)) continue;
    if (stats.isDirectory()) {
      const names = await readdir(next).catch(() => []);
      pending.push(...names.map((name) => join(next, name)).filter((child) => child !== except));
    } else usage.files += 1;
    // A file with several names takes its space once.
    if (stats.nlink > 1 && !stats.isDirectory()) {
      if (seen.has(stats.ino)) continue;
      seen.add(stats.ino);
    }
    usage.diskBytes += diskBytesOf(stats);
  }
  return usage;
}
