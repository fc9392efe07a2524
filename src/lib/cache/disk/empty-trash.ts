/** What a killed eviction has left: a layer that had left its name goes for good, a record whose layer had not comes back. */
import { lstat, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseContentHash, type ContentHash } from '../../oci/digest.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { recordPath, trashDirectory } from './cache-layout.ts';
import { fileSystemTimeMs } from './file-system-time.ts';
import { layerStats } from './layer-file.ts';
import { hasLayerRecord, readRecordAt, WRONG } from './layer-record.ts';
import { isOwnerRunning } from './owned-name.ts';
import { namesIn } from './state-file.ts';

/** Of an eviction that we can't see (another machine, another container): long enough that it wants nothing back. */
const ABANDONED_MS = 10 * 60_000;

const RECORD = /\.([0-9a-f]{64})\.json$/;

/** Of the record of a layer that is on its way out; `name` is its owner's. */
export function trashedRecordName(name: string, hash: ContentHash): string {
  return `${name}.${hash}.json`;
}

/** What can't be removed stays for the next time. @throws ClipctlError STORAGE_* */
export async function emptyTrash(cacheDir: string): Promise<void> {
  const names = await namesIn(trashDirectory(cacheDir));
  if (names.length === 0) return;
  const nowMs = await fileSystemTimeMs(cacheDir);
  for (const name of names) {
    const path = join(trashDirectory(cacheDir), name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    // When who evicts has ended, so has what it wanted with the file.
    if ((await isOwnerRunning(name)) ?? Math.abs(nowMs - found.ctimeMs) < ABANDONED_MS) continue;
    const [, hash] = RECORD.exec(name) ?? [];
    await asFarAsPossible(async () => {
      if (hash !== undefined) await putRecordBack(cacheDir, parseContentHash(hash, path), path);
      await rm(path, { force: true });
    });
  }
}

/** Its layer is there still: without the record it would be nobody's. A newer record stays. */
async function putRecordBack(cacheDir: string, hash: ContentHash, path: string): Promise<void> {
  const layer = await layerStats(join(cacheDir, hash));
  const inode = (await readRecordAt(path))?.identity.inode;
  if (layer === undefined || (inode !== layer.ino && inode !== WRONG.inode)) return;
  if (!(await hasLayerRecord(cacheDir, hash))) await rename(path, recordPath(cacheDir, hash));
}
