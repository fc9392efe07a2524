import { chmod, copyFile, lstat, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDigest } from '../../../src/lib/oci/digest.ts';
import type { Digest } from '../../../src/lib/oci/digest.ts';
import { codeOf, makeCacheDirectory, signal, storeIn } from '../cache-directory.ts';
import type { CacheDirectory } from '../cache-directory.ts';
import { handlesLeftIn } from '../open-handles.ts';
import { drain, seededContent, writeContent } from '../seeded-content.ts';

let dir: CacheDirectory;
const content = seededContent(20, 3_000_000);
const { hash, sizeBytes } = content;

beforeEach(async () => {
  dir = await makeCacheDirectory();
});
afterEach(async () => {
  try {
    expect(dir.budget.usedBytes).toBe(0);
    expect(await handlesLeftIn(dir.path)).toEqual([]);
  } finally {
    await dir.remove();
  }
});

const layer = (): string => join(dir.path, hash);
const record = (): string => join(dir.path, '.clipctl/v1/layers', `${hash}.json`);

describe('the directory', () => {
  it('is not made by reading', async () => {
    const cache = dir.open();
    expect(await cache.checkLayer(hash)).toBe('missing');
    expect(await cache.getContent(hash, { signal })).toBeUndefined();
    expect(await cache.verifyLayer(hash, { signal })).toBe('missing');
    expect(await codeOf(stat(dir.path))).toBe('INTERNAL');
  });

  it('is made by the first write: private, tagged, with our state below .clipctl/v1', async () => {
    await storeIn(dir.open(), content);
    expect((await stat(dir.path)).mode & 0o777).toBe(0o700);
    expect((await readdir(dir.path)).sort()).toEqual(['.clipctl', hash, 'CACHEDIR.TAG'].sort());
    expect((await readdir(join(dir.path, '.clipctl/v1'))).sort()).toEqual([
      'documents',
      'images',
      'index',
      'ingest',
      'layers',
      'leases',
      'locks',
      'pins',
      'use-clock.json',
    ]);
    const tag = await readFile(join(dir.path, 'CACHEDIR.TAG'), 'utf8');
    expect(tag.startsWith('Signature: 8a477f597d28d172789f06886806bc55\n')).toBe(true);
  });

  it('keeps the mode of a directory that was there', async () => {
    await mkdir(dir.path);
    await chmod(dir.path, 0o755);
    await storeIn(dir.open(), content);
    expect((await stat(dir.path)).mode & 0o777).toBe(0o755);
  });

  it('is refused with CACHE_VERSION when a newer clipctl made it, for reads and writes', async () => {
    await mkdir(join(dir.path, '.clipctl/v2'), { recursive: true });
    expect(await codeOf(dir.open().contentExists(hash, { signal }))).toBe('CACHE_VERSION');
    expect(await codeOf(dir.open().getContent(hash, { signal }))).toBe('CACHE_VERSION');
    expect(await codeOf(storeIn(dir.open(), content))).toBe('CACHE_VERSION');
    expect(await readdir(dir.path)).toEqual(['.clipctl']);
  });

  it('may hold other names below .clipctl', async () => {
    await mkdir(join(dir.path, '.clipctl/v0'), { recursive: true });
    await mkdir(join(dir.path, '.clipctl/v2-notes'), { recursive: true });
    expect(await dir.open().checkLayer(hash)).toBe('missing');
  });

  it('that is a file breaks reads and writes with STORAGE_ERROR', async () => {
    await writeFile(dir.path, 'a file');
    expect(await codeOf(dir.open().contentExists(hash, { signal }))).toBe('STORAGE_ERROR');
    expect(await codeOf(storeIn(dir.open(), content))).toBe('STORAGE_ERROR');
    expect(await readFile(dir.path, 'utf8')).toBe('a file');
  });
});

describe('a committed layer', () => {
  it('is the bytes themselves, read-only, under one name', async () => {
    await storeIn(dir.open(), content);
    const stats = await lstat(layer());
    expect([stats.isFile(), stats.mode & 0o777, stats.nlink, stats.size]).toEqual([true, 0o444, 1, sizeBytes]);
    expect((await readFile(layer())).equals(content.slice(0, sizeBytes))).toBe(true);
  });

  it('is verified for a process that starts later', async () => {
    await storeIn(dir.open(), content);
    expect(await dir.open().checkLayer(hash)).toBe('verified');
    expect(await dir.open().sizeOf(hash)).toBe(sizeBytes);
  });

  it('remembers the compressed digests it was seen under', async () => {
    const [one, two] = [digestOf('1'), digestOf('2')];
    const ingest = await dir.open().beginIngest();
    await writeContent(ingest.path, content);
    await ingest.commit(hash, { sizeBytes, digestSeen: { digest: one, compressedBytes: 11 }, signal });
    await dir.open().recordDigest(hash, two, 22);
    await dir.open().recordDigest(hash, one, 11);
    expect(await dir.open().digestsOf(hash)).toEqual([
      { digest: one, compressedBytes: 11 },
      { digest: two, compressedBytes: 22 },
    ]);
    expect(await dir.open().checkLayer(hash)).toBe('verified');
  });

  it('has no digests to record while it is missing', async () => {
    await dir.open().recordDigest(hash, digestOf('1'), 11);
    expect(await dir.open().digestsOf(hash)).toEqual([]);
  });

  it('is touched by a use, and a busy reader writes once a minute', async () => {
    await storeIn(dir.open(), content);
    const old = new Date(Date.now() - 70 * 60_000);
    await utimes(record(), old, old);
    const cache = dir.open();
    await drain(await cache.getContent(hash, { signal }));
    expect((await stat(record())).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
    await utimes(record(), old, old);
    await cache.touchLayer(hash);
    expect((await stat(record())).mtimeMs).toBeCloseTo(old.getTime(), -1);
    expect(await cache.checkLayer(hash)).toBe('verified');
  });
});

describe('an ingest file', () => {
  it('becomes the layer that a writer put into it', async () => {
    const cache = dir.open();
    const ingest = await cache.beginIngest({ sizeBytes });
    await writeContent(ingest.path, content);
    expect(await cache.checkLayer(hash)).toBe('missing');
    await ingest.commit(hash, { sizeBytes, signal });
    await ingest.discard();
    expect(await cache.checkLayer(hash)).toBe('verified');
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });

  it('is refused when its size is not what the writer counted', async () => {
    const cache = dir.open();
    const ingest = await cache.beginIngest();
    await writeContent(ingest.path, content);
    await truncate(ingest.path, sizeBytes - 1);
    expect(await codeOf(ingest.commit(hash, { sizeBytes, signal }))).toBe('SIZE_MISMATCH');
    await ingest.discard();
    await ingest.discard();
    expect(await cache.checkLayer(hash)).toBe('missing');
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });

  it('is dropped when a verified layer stands under the name', async () => {
    const cache = dir.open();
    await storeIn(cache, content);
    const { ino } = await stat(layer());
    const ingest = await cache.beginIngest();
    await writeContent(ingest.path, content);
    await ingest.commit(hash, { sizeBytes, digestSeen: { digest: digestOf('3'), compressedBytes: 3 }, signal });
    expect((await stat(layer())).ino).toBe(ino);
    expect(await cache.digestsOf(hash)).toHaveLength(1);
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });

  it('is refused at once when its size is known not to fit, with what is needed and what is free', async () => {
    const beginning = dir.open().beginIngest({ sizeBytes: Number.MAX_SAFE_INTEGER });
    await expect(beginning).rejects.toMatchObject({ code: 'STORAGE_FULL', details: { neededBytes: Number.MAX_SAFE_INTEGER } });
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });
});

describe('a file that nobody vouches for', () => {
  async function copyIn(): Promise<void> {
    await mkdir(dir.path, { recursive: true });
    await writeContent(layer(), content);
  }

  it('is a miss until it is hashed, and verified from then on', async () => {
    await copyIn();
    const cache = dir.open();
    expect(await cache.checkLayer(hash)).toBe('unverified');
    expect(await cache.contentExists(hash, { signal })).toBeUndefined();
    expect(await cache.getContent(hash, { offset: 0, length: 1, signal })).toBeUndefined();
    expect(await cache.verifyLayer(hash, { signal })).toBe('verified');
    expect(await dir.open().contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('is served whole, because it is hashed on the way out', async () => {
    await copyIn();
    const stream = await dir.open().getContent(hash, { signal });
    expect((await drain(stream)).hash).toBe(hash);
  });

  it('is replaced by a store, and readers of the old one go on', async () => {
    await copyIn();
    const before = await stat(layer());
    const reading = await dir.open().getContent(hash, { signal });
    await storeIn(dir.open(), content);
    expect((await stat(layer())).ino).not.toBe(before.ino);
    expect((await drain(reading)).hash).toBe(hash);
    expect(await dir.open().checkLayer(hash)).toBe('verified');
  });

  it('loses its trust when it is copied over with an old record beside it', async () => {
    await storeIn(dir.open(), content);
    await copyFile(layer(), `${layer()}.copy`);
    await rm(layer());
    await copyFile(`${layer()}.copy`, layer());
    expect(await dir.open().checkLayer(hash)).toBe('unverified');
  });
});

describe('a record', () => {
  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"version":2}',
    '{"version":1,"sizeBytes":-1}',
    '{"__proto__":{"version":1}}',
    'x'.repeat(100_000),
  ])('that says %.20j leaves the layer unverified', async (text) => {
    await storeIn(dir.open(), content);
    await writeFile(record(), text);
    expect(await dir.open().checkLayer(hash)).toBe('unverified');
    expect(await dir.open().verifyLayer(hash, { signal })).toBe('verified');
    expect(await dir.open().checkLayer(hash)).toBe('verified');
  });

  it('without a layer is a miss', async () => {
    await storeIn(dir.open(), content);
    await rm(layer());
    expect(await dir.open().checkLayer(hash)).toBe('missing');
    expect(await dir.open().contentExists(hash, { signal })).toBeUndefined();
  });
});

function digestOf(digit: string): Digest {
  const text = `sha256:${digit.repeat(64)}`;
  if (!isDigest(text)) throw new Error(text);
  return text;
}
