/** The leases of all processes on a cache directory, and which of them count. */
import { join } from 'node:path';
import { parseContentHash, type ContentHash } from '../../oci/digest.ts';
import { readSmallFile } from '../regular-file.ts';
import { leasesDirectory } from './cache-layout.ts';
import { fileSystemTimeMs } from './file-system-time.ts';
import { LEASE_VERSION, type Lease } from './lease.ts';
import { identifyOurselves, isRunning, type ProcessIdentity } from './process-identity.ts';
import { namesIn, parseObject, removeStateFile, unlessUnwritable } from './state-file.ts';

/** Names 100,000 layers. */
const MAX_LEASE_BYTES = 8 * 1024 * 1024;
/** Of a process that we can't see (another machine, another container): silent for so long, it has ended. */
const SILENT_MS = 5 * 60_000;

/**
 * The layers that running processes hold. Leases of processes that have ended are removed.
 * @throws ClipctlError STORAGE_*
 */
export async function readLeases(cacheDir: string): Promise<Set<ContentHash>> {
  const held = new Set<ContentHash>();
  const directory = leasesDirectory(cacheDir);
  const names = (await namesIn(directory)).filter((name) => name.endsWith('.lease'));
  if (names.length === 0) return held;
  const ourselves = await identifyOurselves();
  let now: Promise<number> | undefined;
  const isSilent = async (modifiedMs: number): Promise<boolean> =>
    Math.abs((await (now ??= fileSystemTimeMs(cacheDir))) - modifiedMs) >= SILENT_MS;
  for (const name of names) {
    const path = join(directory, name);
    const file = await readSmallFile(path, MAX_LEASE_BYTES);
    if (file === undefined) continue;
    const [head = '', ...lines] = file.text.split('\n');
    const holder = holderOf(head);
    // Younger than its first line: somebody is about to write it.
    if (holder === undefined && !(await isSilent(file.modifiedMs))) continue;
    if (holder === undefined || !((await isRunning(holder, ourselves)) ?? !(await isSilent(file.modifiedMs)))) {
      await unlessUnwritable(() => removeStateFile(path));
      continue;
    }
    for (const line of lines) if (/^[0-9a-f]{64}$/.test(line)) held.add(parseContentHash(line, path));
  }
  return held;
}

function holderOf(line: string): ProcessIdentity | undefined {
  const { version, pid, startTicks, space } = parseObject(line) ?? {};
  if (version !== LEASE_VERSION || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (typeof startTicks !== 'string' || typeof space !== 'string') return undefined;
  return { pid, startTicks, space };
}

/** Layers that a running process wants, this one among them. @throws ClipctlError STORAGE_* */
export async function readWanted(cacheDir: string, { held }: Pick<Lease, 'held'>): Promise<Set<ContentHash>> {
  return new Set([...(await readLeases(cacheDir)), ...held]);
}
