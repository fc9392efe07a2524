import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAP_SPAN_BYTES, type ContentMap } from '../../src/lib/cache/content-map.ts';
import type { ContentCache, ContentRange } from '../../src/lib/cache/content-cache.ts';
import { openFileRemote } from '../../src/lib/cache/remote/file.ts';
import { readRange } from '../../src/lib/cache/tiered-range.ts';
import type { TierFailure } from '../../src/lib/cache/tiered.ts';
import { makeCacheDirectory, signal, storeIn, type CacheDirectory } from './cache-directory.ts';
import { seededContent } from './seeded-content.ts';

const content = seededContent(70, 2 * MAP_SPAN_BYTES + 1000);
const { hash, sizeBytes } = content;
const map: ContentMap = {
  uncompressedBytes: sizeBytes,
  contentDigests: Buffer.concat(
    [0, 1, 2].map((at) =>
      createHash('sha256')
        .update(content.slice(at * MAP_SPAN_BYTES, MAP_SPAN_BYTES))
        .digest(),
    ),
  ),
};
let dir: CacheDirectory;
let near: ContentCache;
let far: ContentCache;
let beyond: ContentRange[];
let failures: TierFailure[];

beforeEach(async () => {
  dir = await makeCacheDirectory();
  near = openFileRemote(join(dir.path, '..', 'near'));
  far = openFileRemote(join(dir.path, '..', 'far'));
  beyond = [];
  failures = [];
});
afterEach(async () => {
  expect(dir.budget.usedBytes).toBe(0);
  await dir.remove();
});

const storeAt = (remote: ContentCache): Promise<unknown> => remote.storeContent(content.source(), hash, { sizeBytes, signal });

async function poisonNear(offset: number): Promise<void> {
  const path = join(dir.path, '..', 'near', hash);
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await rm(path);
  await writeFile(path, bytes);
}

async function read(range: ContentRange, known: ContentMap | 'none' = map): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const tiers = {
    disk: dir.open(),
    remotes: [near, far],
    budget: dir.budget,
    map: known === 'none' ? undefined : known,
    signal,
    onFailure: (failure: TierFailure): void => void failures.push(failure),
    async *beyond(rest: ContentRange): AsyncGenerator<Uint8Array> {
      beyond.push(rest);
      yield content.slice(rest.offset, rest.length);
    },
  };
  for await (const piece of readRange(hash, range, tiers)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const ACROSS: ContentRange = { offset: MAP_SPAN_BYTES - 100, length: MAP_SPAN_BYTES + 500 };
const expected = (range: ContentRange): Buffer => content.slice(range.offset, range.length);

describe('a range', () => {
  it('comes from the disk when it has the layer', async () => {
    await storeIn(dir.open(), content);
    expect((await read(ACROSS)).equals(expected(ACROSS))).toBe(true);
    expect(beyond).toEqual([]);
  });

  it.each([[{ offset: 0, length: 1 }], [ACROSS], [{ offset: sizeBytes - 1, length: 1 }]])(
    '%j comes from a remote in spans that were compared',
    async (range) => {
      await storeAt(near);
      expect((await read(range)).equals(expected(range))).toBe(true);
      expect([beyond, failures]).toEqual([[], []]);
    },
  );

  it('of a wrong span comes from the next remote, and is reported', async () => {
    await storeAt(near);
    await storeAt(far);
    await poisonNear(MAP_SPAN_BYTES + 5);
    expect((await read(ACROSS)).equals(expected(ACROSS))).toBe(true);
    expect(failures.map(({ url, corrupt }) => [url, corrupt])).toEqual([[near.url, true]]);
    expect(beyond).toEqual([]);
  });

  it('goes on where the image is when no remote is right, from the byte where they ended', async () => {
    await storeAt(near);
    await poisonNear(MAP_SPAN_BYTES + 5);
    expect((await read(ACROSS)).equals(expected(ACROSS))).toBe(true);
    expect(beyond).toEqual([{ offset: MAP_SPAN_BYTES, length: ACROSS.length - 100 }]);
  });

  it.each<[string, ContentMap | 'none']>([
    ['no index', 'none'],
    ['an index with a digest too few', { ...map, contentDigests: map.contentDigests.subarray(32) }],
  ])('with %s comes from no remote', async (_what, known) => {
    await storeAt(near);
    expect((await read(ACROSS, known)).equals(expected(ACROSS))).toBe(true);
    expect(beyond).toEqual([ACROSS]);
  });
});
