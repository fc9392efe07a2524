import { readdir, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseContentHash, type ContentHash } from '../../oci/digest.ts';

/**
 * Layers that some process has open, as far as /proc tells: a runtime that mounts the cache takes no lease. By name,
 * not by path: another container sees the directory elsewhere. Empty where there is no /proc.
 */
export async function openLayers(): Promise<Set<ContentHash>> {
  const open = new Set<ContentHash>();
  for (const pid of await entriesOf('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const directory = `/proc/${pid}/fd`;
    for (const fd of await entriesOf(directory)) {
      const target = await readlink(`${directory}/${fd}`).catch(() => '');
      const name = basename(target);
      if (/^[0-9a-f]{64}$/.test(name)) open.add(parseContentHash(name, directory));
    }
  }
  return open;
}

/** Another user's process does not show what it has open. */
async function entriesOf(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}
