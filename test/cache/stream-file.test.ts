import { mkdir, mkdtemp, open, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Chunk } from '../../src/lib/cache/chunk-source.ts';
import { CHUNK_BYTES } from '../../src/lib/cache/chunk-source.ts';
import { openDiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import { openFileRemote } from '../../src/lib/cache/remote/file.ts';
import { streamFileInChunks } from '../../src/lib/cache/stream-file.ts';
import { ClipctlError, errorCodeOf } from '../../src/lib/errors.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { handlesLeftIn } from './open-handles.ts';
import { drain, seededContent, writeContent } from './seeded-content.ts';

const MIB = 1 << 20;
const signal = new AbortController().signal;

let directory: string;
let budget: MemoryBudget;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-stream-'));
  budget = new MemoryBudget();
});

afterEach(async () => {
  try {
    expect(budget.usedBytes).toBe(0);
    expect(await handlesLeftIn(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

async function sparseFile(sizeBytes: number): Promise<string> {
  const path = join(directory, 'sparse');
  await writeFile(path, '');
  await truncate(path, sizeBytes);
  return path;
}

async function chunksOf(path: string): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of streamFileInChunks(path, { budget, signal })) chunks.push(chunk);
  return chunks;
}

async function firstChunkOf(path: string): Promise<Chunk> {
  const [chunk] = await chunksOf(path);
  if (chunk === undefined) throw new Error('no chunk');
  return chunk;
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  return errorCodeOf(
    await action.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

function lengthsOf(chunks: readonly Chunk[]): number[] {
  return chunks.map(({ length }) => length);
}

describe('the six cases of the seed', () => {
  it('makes one chunk of 42 bytes', async () => {
    expect(lengthsOf(await chunksOf(await sparseFile(42)))).toEqual([42]);
  });

  it('makes three full chunks and a rest of 100 MiB', async () => {
    const chunks = await chunksOf(await sparseFile(100 * MIB));
    expect(lengthsOf(chunks)).toEqual([CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 4 * MIB]);
    expect(chunks.map(({ index, offset }) => [index, offset])).toEqual([0, 1, 2, 3].map((i) => [i, i * CHUNK_BYTES]));
  });

  it('makes exactly two chunks of 64 MiB', async () => {
    expect(lengthsOf(await chunksOf(await sparseFile(64 * MIB)))).toEqual([CHUNK_BYTES, CHUNK_BYTES]);
  });

  it('says which file is missing', async () => {
    const path = join(directory, 'nothing');
    const error: unknown = await chunksOf(path).catch((thrown: unknown) => thrown);
    expect(errorCodeOf(error)).toBe('FILE_NOT_FOUND');
    expect((error as ClipctlError).message).toBe(`${path} does not exist`);
  });

  it('stores a layer of 100 MiB as four chunks of the right total', async () => {
    const content = seededContent(1, 100 * MIB);
    const disk = openDiskCache(join(directory, 'disk'), { budget });
    await disk.storeContent(content.source(), content.hash, { sizeBytes: content.sizeBytes, signal });
    const source = streamFileInChunks(disk.layerPath(content.hash), { budget, signal });
    const remote = openFileRemote(join(directory, 'remote'));
    const result = await remote.storeContent(source, content.hash, { sizeBytes: content.sizeBytes, signal });
    expect(result).toEqual({ sentBytes: 100 * MIB, chunks: 4, skipped: false });
    expect(await remote.contentExists(content.hash, { signal })).toEqual({ sizeBytes: 100 * MIB });
    expect(budget.peakBytes).toBeLessThanOrEqual(2 * MIB);
  });

  it('makes one chunk of 18 bytes, with the content intact', async () => {
    const path = join(directory, 'text');
    await writeFile(path, 'eighteen bytes 123');
    const [chunk, ...others] = await chunksOf(path);
    if (chunk === undefined) throw new Error('no chunk');
    expect(others).toEqual([]);
    expect((await drain(chunk.stream())).first.toString()).toBe('eighteen bytes 123');
  });
});

describe('the pieces of a chunk', () => {
  it('are the bytes of the file, whatever the sizes of chunks and pieces', async () => {
    const content = seededContent(2, 3 * MIB + 12_345);
    const path = join(directory, 'content');
    await writeContent(path, content);
    for (const [chunkBytes, pieceBytes] of [
      [MIB, 100_000],
      [777_777, 65_536],
      [5 * MIB, MIB],
      [MIB, 4 * MIB],
    ] as const) {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for await (const chunk of streamFileInChunks(path, { budget, signal, chunkBytes, pieceBytes })) yield* chunk.stream();
      }
      const { sizeBytes, hash } = await drain(pieces());
      expect({ sizeBytes, hash }).toEqual({ sizeBytes: content.sizeBytes, hash: content.hash });
    }
  });

  it('come again for a retry, also when the file was closed in between', async () => {
    const content = seededContent(3, 2 * MIB + 1);
    const path = join(directory, 'content');
    await writeContent(path, content);
    const chunk = await firstChunkOf(path);
    expect(await handlesLeftIn(directory)).toEqual([]);
    for (let tries = 0; tries < 3; tries += 1) {
      expect((await drain(chunk.stream())).hash).toBe(content.hash);
    }
  });

  it('still come when the file was unlinked after the iteration began', async () => {
    const content = seededContent(4, 2 * MIB);
    const path = join(directory, 'content');
    await writeContent(path, content);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for await (const chunk of streamFileInChunks(path, { budget, signal, chunkBytes: MIB })) {
        await rm(path, { force: true });
        yield* chunk.stream();
      }
    }
    expect((await drain(pieces())).hash).toBe(content.hash);
  });

  it('need one piece only when the budget has no more, and never hold two then', async () => {
    const small = new MemoryBudget(MIB);
    const content = seededContent(5, 5 * MIB + 5);
    const path = join(directory, 'content');
    await writeContent(path, content);
    for await (const chunk of streamFileInChunks(path, { budget: small, signal })) {
      expect((await drain(chunk.stream())).hash).toBe(content.hash);
    }
    expect([small.usedBytes, small.peakBytes]).toEqual([0, MIB]);
  });

  it('of many streams at once all arrive under a budget of two pieces', async () => {
    const small = new MemoryBudget(2 * MIB);
    const content = seededContent(6, 4 * MIB);
    const path = join(directory, 'content');
    await writeContent(path, content);
    const chunk = await firstChunkOf(path);
    const source = streamFileInChunks(path, { budget: small, signal });
    const readers = Array.from({ length: 10 }, async () => {
      for await (const each of source) return (await drain(each.stream())).hash;
      return undefined;
    });
    expect(await Promise.all(readers)).toEqual(Array.from({ length: 10 }, () => content.hash));
    expect(chunk.length).toBe(4 * MIB);
    expect([small.usedBytes, small.peakBytes <= 2 * MIB]).toEqual([0, true]);
  });

  it('go back to the budget when the reader leaves or throws', async () => {
    const chunk = await firstChunkOf(await sparseFile(8 * MIB));
    for await (const _piece of chunk.stream()) break;
    expect(budget.usedBytes).toBe(0);
    const throwing = (async () => {
      for await (const _piece of chunk.stream()) throw new ClipctlError('NETWORK', 'cut');
    })();
    expect(await codeOf(throwing)).toBe('NETWORK');
    expect(budget.usedBytes).toBe(0);
  });

  it('stop at an abort', async () => {
    const controller = new AbortController();
    const path = await sparseFile(8 * MIB);
    const reading = (async () => {
      for await (const chunk of streamFileInChunks(path, { budget, signal: controller.signal })) {
        for await (const _piece of chunk.stream()) controller.abort(new ClipctlError('ABORTED', 'stopped'));
      }
    })();
    expect(await codeOf(reading)).toBe('ABORTED');
  });
});

describe('a file that is not what it was', () => {
  it('is refused with SIZE_MISMATCH when it shrank', async () => {
    const path = await sparseFile(8 * MIB);
    const reading = (async () => {
      for await (const chunk of streamFileInChunks(path, { budget, signal })) {
        await truncate(path, 5 * MIB);
        await drain(chunk.stream());
      }
    })();
    expect(await codeOf(reading)).toBe('SIZE_MISMATCH');
  });

  it('is refused on a retry when another file has its name', async () => {
    const path = await sparseFile(MIB);
    const chunk = await firstChunkOf(path);
    await writeFile(join(directory, 'other'), Buffer.alloc(MIB));
    await rename(join(directory, 'other'), path);
    expect(await codeOf(drain(chunk.stream()))).toBe('SIZE_MISMATCH');
  });

  it('is refused when it is a link or a directory', async () => {
    await symlink(await sparseFile(10), join(directory, 'link'));
    await mkdir(join(directory, 'directory'));
    expect(await codeOf(chunksOf(join(directory, 'link')))).toBe('STORAGE_ERROR');
    expect(await codeOf(chunksOf(join(directory, 'directory')))).toBe('STORAGE_ERROR');
  });

  it('gives no chunk when it is empty', async () => {
    await (await open(join(directory, 'empty'), 'w')).close();
    expect(await chunksOf(join(directory, 'empty'))).toEqual([]);
  });
});
