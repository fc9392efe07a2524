import { readdir, lstat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';

export interface ChosenFile {
  /** Where it lies on this machine. */
  readonly path: string;
  /** Its name in the layer, relative to the root. */
  readonly name: string;
  readonly stats: Stats;
}

/** Larger files are left out: the layer would be one file. */
const LARGEST_FILE_BYTES = 32 * 1024 * 1024;

/**
 * Files, folders and links below `folder`, in the order of their names, until they hold `limitBytes`. What this user
 * cannot list is left out.
 */
export async function* chooseFiles(folder: string, name: string, limitBytes: number): AsyncGenerator<ChosenFile> {
  let left = limitBytes;
  for await (const file of walkTree(folder, name)) {
    if (file.stats.isFile()) {
      if (file.stats.size > Math.min(left, LARGEST_FILE_BYTES)) continue;
      left -= file.stats.size;
    }
    yield file;
    if (left < limitBytes / 200) return;
  }
}

/** Everything below `folder` that this user can list, in the order of the names. */
export async function* walkTree(folder: string, name: string): AsyncGenerator<ChosenFile> {
  for (const child of (await listNames(folder)).sort()) {
    const path = join(folder, child);
    const stats = await lstat(path).catch(absentIfUnreadable);
    if (stats === undefined) continue;
    yield { path, name: `${name}/${child}`, stats };
    if (stats.isDirectory()) yield* walkTree(path, `${name}/${child}`);
  }
}

async function listNames(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(absentIfUnreadable)) ?? [];
}

/** For a `catch`: what this user may not read, or what went away meanwhile, is not there; the rest is thrown on. */
export function absentIfUnreadable(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
  throw error;
}
