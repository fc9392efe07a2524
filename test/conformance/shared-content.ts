/** The cases of the conformance suite in which a content has several writers, readers, or lives of its server. */
import { expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../src/lib/cache/chunk-source.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { seededContent, sourceOf } from '../cache/seeded-content.ts';
import { listOf, readAll, signal, store, type Given } from './given-cache.ts';

const MIB = 1 << 20;

export function sharing(given: Given): void {
  const content = seededContent(10, CHUNK_BYTES + 5);
  const { sizeBytes, hash, slice } = content;

  it('lets two stores of one content both succeed', async () => {
    await Promise.all([store(given.cache(), content), store(given.cache(), content)]);
    expect(await readAll(given.cache(), content)).toEqual({ sizeBytes, hash });
    expect(await given.cache().contentExists(hash, { signal })).toEqual({ sizeBytes });
  });

  it('does not let a wrong store disturb a right one of the same hash', async () => {
    const wrong = given.cache().storeContent(sourceOf(sizeBytes - 1, slice), hash, { sizeBytes, signal });
    const [refused] = await Promise.all([given.failure(wrong), store(given.cache(), content)]);
    expect(errorCodeOf(refused)).toBe('SIZE_MISMATCH');
    expect(await readAll(given.cache(), content)).toEqual({ sizeBytes, hash });
  });

  it('skips what is there, and asks the source for nothing', async () => {
    await store(given.cache(), content);
    const source = sourceOf(sizeBytes, slice, () => {
      throw new Error('the source was read');
    });
    const again = await given.cache().storeContent(source, hash, { sizeBytes, signal });
    expect(again).toEqual({ sentBytes: 0, chunks: 0, skipped: true });
  });

  it('serves readers at once, each its own bytes', async () => {
    await store(given.cache(), content);
    const reads = await Promise.all(Array.from({ length: 8 }, () => readAll(given.cache(), content)));
    expect(reads).toEqual(Array.from({ length: 8 }, () => ({ sizeBytes, hash })));
  });

  it('shows nothing to others while a store is under way', async () => {
    const other = await given.under().reopen();
    const seen = new Set<unknown>();
    const source = sourceOf(sizeBytes, slice, async (offset) => {
      if (offset !== 0 && offset !== CHUNK_BYTES) return;
      seen.add(await other.contentExists(hash, { signal })).add(await other.getContent(hash, { signal }));
      if ((await listOf(other)).includes(hash)) seen.add('listed');
    });
    await given.cache().storeContent(source, hash, { sizeBytes, signal });
    expect([...seen]).toEqual([undefined]);
    expect(await readAll(other, content)).toEqual({ sizeBytes, hash });
  });

  it('goes on when its server was restarted between two calls', async () => {
    if (given.under().restartServer === undefined) return;
    const restartServer = (): Promise<void> | undefined => given.under().restartServer?.();
    await store(given.cache(), content);
    await restartServer();
    expect(await readAll(given.cache(), content)).toEqual({ sizeBytes, hash });
    await restartServer();
    const more = seededContent(11, MIB);
    await store(given.cache(), more);
    expect(await given.cache().contentExists(more.hash, { signal })).toEqual({ sizeBytes: MIB });
  });

  it('is still complete when it is opened again', async () => {
    await store(given.cache(), content);
    expect(await readAll(await given.under().reopen(), content)).toEqual({ sizeBytes, hash });
  });
}
