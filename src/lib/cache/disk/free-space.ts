import { statfs } from 'node:fs/promises';
import { ClipctlError } from '../../errors.ts';

/**
 * Refuses content that is known not to fit before its first byte is fetched. A file system that does not tell its free
 * space is tried.
 * @throws ClipctlError STORAGE_FULL
 */
export async function requireFreeSpace(path: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeSpaceOf(path);
  if (freeBytes === undefined || neededBytes <= freeBytes) return;
  throw new ClipctlError('STORAGE_FULL', `not enough space in ${path}: ${neededBytes} bytes needed, ${freeBytes} free`, {
    details: { path, neededBytes, freeBytes },
    hint: 'Free some space, or choose another cache directory with --cache-dir or CLIPCTL_CACHE_DIR.',
  });
}

async function freeSpaceOf(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(path);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}
