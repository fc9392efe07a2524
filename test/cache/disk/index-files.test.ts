import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readIndexFile, writeIndexFile } from '../../../src/lib/cache/disk/index-files.ts';
import type { Digest } from '../../../src/lib/oci/digest.ts';
import { makeCacheDirectory, type CacheDirectory } from '../cache-directory.ts';

let dir: CacheDirectory;
beforeEach(async () => {
  dir = await makeCacheDirectory();
});
afterEach(() => dir.remove());

const digestOf = (nth: number): Digest => `sha256:${String(nth).padStart(64, '0')}` as Digest;

it('many layers at once may be the first to keep an index', async () => {
  for (let round = 0; round < 20; round += 1) {
    await rm(dir.path, { recursive: true, force: true });
    const digests = Array.from({ length: 8 }, (_, nth) => digestOf(nth));
    await Promise.all(digests.map((digest) => writeIndexFile({ cacheDir: dir.path }, digest, { bytes: Buffer.from(digest) })));
    for (const digest of digests) expect((await readIndexFile(dir.path, digest))?.toString()).toBe(digest);
  }
});

it('a directory that somebody has just begun to make is no hindrance', async () => {
  await mkdir(join(dir.path, '.clipctl/v1/ingest'), { recursive: true });
  await writeIndexFile({ cacheDir: dir.path }, digestOf(1), { bytes: Buffer.from('x') });
  expect((await readIndexFile(dir.path, digestOf(1)))?.toString()).toBe('x');
});
