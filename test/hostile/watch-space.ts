/** Watches what a cache directory takes while others work on it. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const LOOK_EVERY_MS = 2;

export interface SpaceSeen {
  /** Layers, with a name or on their way, in disk blocks. */
  readonly peakBytes: number;
  /** Those on their way. */
  readonly peakIngestBytes: number;
}

/** Runs `action`, and gives the most that was seen meanwhile beside what it gives. */
export async function watchSpace<T>(cacheDir: string, action: () => Promise<T>): Promise<SpaceSeen & { readonly result: T }> {
  const seen = { peakBytes: 0, peakIngestBytes: 0 };
  const timer = setInterval(() => {
    const transfers = transfersIn(cacheDir);
    seen.peakIngestBytes = Math.max(seen.peakIngestBytes, bytesOf(transfers));
    seen.peakBytes = Math.max(seen.peakBytes, bytesOf([...transfers, ...layersIn(cacheDir)]));
  }, LOOK_EVERY_MS);
  try {
    return { result: await action(), ...seen };
  } finally {
    clearInterval(timer);
  }
}

function transfersIn(cacheDir: string): string[] {
  const directory = join(cacheDir, '.clipctl/v1/ingest');
  return namesIn(directory)
    .filter((name) => /^([0-9a-f]{64}\.)?[0-9a-f]{32}$/.test(name))
    .map((name) => join(directory, name, 'layer'));
}

function layersIn(cacheDir: string): string[] {
  return namesIn(cacheDir)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => join(cacheDir, name));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/**
 * One that gets its name meanwhile is counted once. Looked at twice, and the less of both taken: while one is looked at
 * another may grow, and what had to go for that be counted still.
 */
function bytesOf(paths: readonly string[]): number {
  const before = lookAt(paths);
  const after = lookAt(paths);
  return [...before].reduce((sum, [inode, bytes]) => sum + Math.min(bytes, after.get(inode) ?? 0), 0);
}

function lookAt(paths: readonly string[]): Map<number, number> {
  const found = paths.flatMap((path) => lstatSync(path, { throwIfNoEntry: false }) ?? []);
  return new Map(found.map(({ ino, blocks }) => [ino, blocks * 512]));
}
