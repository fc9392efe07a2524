/**
 * Layers that somebody uses, as far as the kernel tells: a runtime that mounts the cache takes no lease. By name, not by
 * path: another container sees the directory elsewhere.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseContentHash, type ContentHash } from '../../oci/digest.ts';

/** Processes looked at in one go: enough to keep the threads busy that Node reads files with. */
const AT_ONCE = 16;

/** Open in a process, mapped into its memory, or behind a loop device. Empty where neither /proc nor /sys is. */
export async function openLayers(): Promise<Set<ContentHash>> {
  const found = new Set<string>();
  const pids = (await entriesOf('/proc')).filter((name) => /^\d+$/.test(name));
  for (let at = 0; at < pids.length; at += AT_ONCE)
    await Promise.all(pids.slice(at, at + AT_ONCE).map((pid) => addLayersOf(pid, found)));
  for (const device of await entriesOf('/sys/block')) {
    if (device.startsWith('loop')) addNames(await textOf(`/sys/block/${device}/loop/backing_file`), found);
  }
  return new Set([...found].map((name) => parseContentHash(name, '/proc')));
}

async function addLayersOf(pid: string, found: Set<string>): Promise<void> {
  const directory = `/proc/${pid}/fd`;
  for (const fd of await entriesOf(directory)) addNames(await readlink(`${directory}/${fd}`).catch(() => ''), found);
  // A mapping outlives the descriptor that it was made from.
  addNames(await textOf(`/proc/${pid}/maps`), found);
}

/** Of paths, each at the end of a line. What has lost its name ends in " (deleted)", and can't be evicted any more. */
function addNames(text: string, found: Set<string>): void {
  for (const [, name = ''] of text.matchAll(/\/([0-9a-f]{64})$/gm)) found.add(name);
}

/** Another user's process does not show what it has open. */
async function entriesOf(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}

/** The kernel allows a process 65,530 mappings by default: of one process, some megabytes at most. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}
