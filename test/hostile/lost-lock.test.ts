/**
 * A process that has lost the lock of its layer and does not know it: it was stopped for longer than a lease lasts, or somebody
 * has removed the file of the lock. Another goes on with what it has, and is killed; then the first one finishes.
 */
import { appendFile, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskCache, type DiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import { pointLine } from '../../src/lib/cache/disk/ingest/journal.ts';
import type { IngestFile } from '../../src/lib/cache/disk/ingest-file.ts';
import { digestOfHash } from '../../src/lib/oci/digest.ts';
import { codeOf, makeCacheDirectory, signal, wrongFilesIn, type CacheDirectory } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';

const HALF = 512 * 1024;
const layer = seededContent(1, 2 * HALF);
const diffId = digestOfHash(layer.hash);
const transfer = { digest: diffId, sizeBytes: layer.sizeBytes, diffId, checkpointIntervalBytes: 0 };

let dir: CacheDirectory;
beforeEach(async () => {
  dir = await makeCacheDirectory();
});
afterEach(() => dir.remove());

function openWith(kind: 'kernel' | 'lease'): DiskCache {
  return openDiskCache(dir.path, { budget: dir.budget, locks: kind === 'lease' ? 'lease' : 'auto' });
}

/** Lets go of the lock at once, and has the transfer still. */
function begin(cache: DiskCache): Promise<IngestFile> {
  return cache.withLayerLock(layer.hash, { signal }, () => cache.beginIngest({ hash: layer.hash, transfer }));
}

async function write(ingest: IngestFile, start: number, end: number): Promise<void> {
  const handle = await open(ingest.path, 'r+');
  await handle.write(layer.slice(start, end), 0, end - start, start).finally(() => handle.close());
}

async function noteHalf({ journal }: IngestFile): Promise<void> {
  const point = { compression: 'none', compressedOffset: HALF, bit: 0, uncompressedOffset: HALF } as const;
  await appendFile(journal?.journalPath ?? '', pointLine(point));
}

describe('a layer whose lock was lost', () => {
  it.each([
    { first: 'kernel', second: 'kernel', isShared: true },
    { first: 'lease', second: 'kernel', isShared: false },
    { first: 'kernel', second: 'lease', isShared: false },
    { first: 'lease', second: 'lease', isShared: false },
  ] as const)('by a $first lock to a $second lock is not published', async ({ first, second, isShared }) => {
    const cache = openWith(first);
    const lost = await begin(cache);
    await write(lost, 0, HALF);
    await noteHalf(lost);
    await write(lost, HALF, HALF + 4096);
    const writing = await open(lost.path, 'r+');
    const taken = await begin(openWith(second));
    expect(taken.journal?.resume).toMatchObject({ kind: 'points', keptBytes: HALF });
    expect(taken.path).not.toBe(lost.path);
    expect((await stat(taken.path)).size).toBe(HALF);
    expect((await writing.stat()).ino === (await stat(taken.path)).ino).toBe(isShared);

    // It never wrote again what the other one has cut off.
    await writing.write(layer.slice(HALF + 4096, 2 * HALF), 0, HALF - 4096, HALF + 4096).finally(() => writing.close());
    expect(await codeOf(lost.commit(layer.hash, { sizeBytes: layer.sizeBytes, signal }))).toBe('STORAGE_ERROR');
    await lost.discard();
    expect(await wrongFilesIn(dir.path)).toEqual([]);
    expect(await readdir(dir.path)).not.toContain(layer.hash);

    // What was taken up is there still, for whoever comes next.
    await taken.suspend();
    expect(await readdir(dirname(taken.path))).toContain('layer');
    const next = await begin(openWith('kernel'));
    await write(next, HALF, 2 * HALF);
    await next.commit(layer.hash, { sizeBytes: layer.sizeBytes, signal });
    expect(await wrongFilesIn(dir.path)).toEqual([]);
    expect(await readdir(join(dir.path, '.clipctl', 'v1', 'ingest'))).toEqual([]);
  });
});
