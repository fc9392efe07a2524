/** A group's directories that a killed process had not given their name yet (make-at-once.ts): they hold nothing but each other. */
import { readdir, rmdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { heldName, nameWithin, openDirectory } from '../held-directory.ts';
import { isTemporaryNameOf } from '../make-at-once.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { OWN_PATH } from './own-names.ts';
import { namesIn } from './state-file.ts';

/** `v1`, and what stands in it. */
const LEVELS_BELOW = 2;

interface Ages {
  /** Now, as the file system tells the time. */
  readonly nowMs: () => Promise<number>;
  readonly maxAgeMs: number;
}

/** Those of this user that nobody makes any more; no file goes, and what holds one stays. @throws ClipctlError STORAGE_* */
export async function removeHalfMade(cacheDir: string, { nowMs, maxAgeMs }: Ages): Promise<void> {
  const names = (await namesIn(cacheDir)).filter((name) => isTemporaryNameOf(OWN_PATH[0], name));
  for (const name of names) {
    await asFarAsPossible(async () => {
      const newestMs = (await nowMs()) - maxAgeMs;
      await removeEmpty(join(cacheDir, name), { levelsBelow: LEVELS_BELOW, newestMs });
    });
  }
}

interface Limits {
  readonly levelsBelow: number;
  /** What has changed since stays. */
  readonly newestMs: number;
}

/** Through held directories, since whoever may write to the cache may swap a name; rmdir(2) follows no link. */
async function removeEmpty(path: string, limits: Limits): Promise<void> {
  const handle = await openDirectory(path);
  try {
    const { uid, mtimeMs } = await handle.stat();
    if (uid !== process.geteuid?.() || mtimeMs > limits.newestMs) return;
    await removeBelow(handle, path, limits);
  } finally {
    await handle.close();
  }
  await rmdir(path);
}

async function removeBelow(handle: FileHandle, path: string, { levelsBelow, newestMs }: Limits): Promise<void> {
  const names = await readdir(heldName(handle.fd, path));
  if (levelsBelow === 0) return;
  for (const name of names) await removeEmpty(nameWithin(handle.fd, path, name), { levelsBelow: levelsBelow - 1, newestMs });
}
