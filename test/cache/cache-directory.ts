/** A cache directory for one test: what stands in it, seen from outside. */
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import type { DiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import type { SeededContent } from './seeded-content.ts';

export const signal = new AbortController().signal;

export interface CacheDirectory {
  readonly path: string;
  readonly budget: MemoryBudget;
  /** The cache as a process that starts now sees it. */
  readonly open: () => DiskCache;
  readonly remove: () => Promise<void>;
}

export async function makeCacheDirectory(): Promise<CacheDirectory> {
  const path = join(await mkdtemp(join(tmpdir(), 'clipctl-cache-')), 'cache');
  const budget = new MemoryBudget();
  const open = (): DiskCache => openDiskCache(path, { budget });
  return { path, budget, open, remove: () => rm(join(path, '..'), { recursive: true, force: true }) };
}

export async function storeIn(cache: DiskCache, content: SeededContent): Promise<void> {
  await cache.storeContent(content.source(), content.hash, { sizeBytes: content.sizeBytes, signal });
}

/** Final names whose regular file does not have that sha256. */
export async function wrongFilesIn(path: string): Promise<string[]> {
  const names = (await readdir(path).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const wrong: string[] = [];
  for (const name of names) {
    const isRegular = (await lstat(join(path, name))).isFile();
    const found = isRegular
      ? createHash('sha256')
          .update(await readFile(join(path, name)))
          .digest('hex')
      : 'no file';
    if (found !== name) wrong.push(name);
  }
  return wrong;
}

/** The code of what `action` throws; `undefined` when it does not throw. */
export async function codeOf(action: Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await action;
    return undefined;
  } catch (error) {
    return errorCodeOf(error);
  }
}
