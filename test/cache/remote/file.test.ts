import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../../src/lib/cache/chunk-source.ts';
import type { ContentCache } from '../../../src/lib/cache/content-cache.ts';
import { openFileRemote } from '../../../src/lib/cache/remote/file.ts';
import { codeOf, signal } from '../cache-directory.ts';
import { handlesLeftIn } from '../open-handles.ts';
import { drain, seededContent, writeContent } from '../seeded-content.ts';
import type { SeededContent } from '../seeded-content.ts';

const content = seededContent(50, CHUNK_BYTES + 1000);
const { hash, sizeBytes } = content;
let directory: string;
let remote: ContentCache;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-file-remote-'));
  remote = openFileRemote(directory);
});
afterEach(async () => {
  try {
    expect(await handlesLeftIn(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

async function store(stored: SeededContent): Promise<void> {
  await remote.storeContent(stored.source(), stored.hash, { sizeBytes: stored.sizeBytes, signal });
}

const listPath = (): string => join(directory, `${hash}.chunks.json`);

describe('a stored layer', () => {
  beforeEach(() => store(content));

  it('is the plain bytes under their hash, with a chunk list beside it', async () => {
    expect((await readdir(directory)).sort()).toEqual([hash, `${hash}.chunks.json`]);
    expect((await stat(join(directory, hash))).mode & 0o222).toBe(0);
    const chunkHash = (offset: number): string => createHash('sha256').update(content.slice(offset, CHUNK_BYTES)).digest('hex');
    expect(JSON.parse(await readFile(listPath(), 'utf8'))).toEqual({
      version: 1,
      sizeBytes,
      chunkBytes: CHUNK_BYTES,
      chunks: [chunkHash(0), chunkHash(CHUNK_BYTES)],
    });
  });

  it('that was cut is CACHE_CORRUPT and not listed, and the next store mends it', async () => {
    await truncate(join(directory, hash), 100);
    expect(await codeOf(remote.contentExists(hash, { signal }))).toBe('CACHE_CORRUPT');
    expect(await codeOf(remote.getContent(hash, { signal }).then(drain))).toBe('CACHE_CORRUPT');
    for await (const { hash: listed } of remote.listContent?.({ signal }) ?? []) expect(listed).not.toBe(hash);
    await store(content);
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it('with other bytes of the same size fails with CACHE_CORRUPT before its end', async () => {
    await writeFile(join(directory, hash), Buffer.alloc(sizeBytes));
    expect(await codeOf(remote.getContent(hash, { signal }).then(drain))).toBe('CACHE_CORRUPT');
  });

  it('is overwritten only when that is asked for', async () => {
    await writeFile(join(directory, hash), Buffer.alloc(sizeBytes));
    expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: true });
    const result = await remote.storeContent(content.source(), hash, { sizeBytes, signal, replace: true });
    expect(result).toEqual({ sentBytes: sizeBytes, chunks: 2, skipped: false });
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it.each([
    '',
    '{}',
    'null',
    `{"version":1,"sizeBytes":${sizeBytes},"chunkBytes":${CHUNK_BYTES},"chunks":["00"]}`,
    '{"version":2}',
  ])('is a miss when its list says %j', async (text) => {
    await rm(listPath());
    await writeFile(listPath(), text);
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(await remote.getContent(hash, { signal })).toBeUndefined();
  });
});

describe('content of unknown size', () => {
  it('is stored when its hash is right', async () => {
    expect(await remote.storeUnsized?.(content.source(), hash, { signal })).toEqual({
      sentBytes: sizeBytes,
      chunks: 2,
      skipped: false,
    });
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('is refused when it is not, and nothing is visible', async () => {
    const other = seededContent(51, 1000);
    expect(await codeOf(Promise.resolve(remote.storeUnsized?.(other.source(), hash, { signal })))).toBe('DIGEST_MISMATCH');
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('a directory with other things in it', () => {
  it('has no content where a file was copied in without a list', async () => {
    await writeContent(join(directory, hash), content);
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    await store(content);
    expect(await remote.contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('that is a file breaks with STORAGE_ERROR', async () => {
    const path = join(directory, 'file');
    await writeFile(path, 'x');
    remote = openFileRemote(path);
    expect(await codeOf(remote.contentExists(hash, { signal }))).toBe('STORAGE_ERROR');
    await expect(store(content)).rejects.toMatchObject({
      code: 'STORAGE_ERROR',
      hint: expect.stringContaining('another remote cache') as string,
    });
  });
});
