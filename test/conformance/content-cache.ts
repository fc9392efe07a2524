/**
 * What must hold of every content cache (DESIGN §5). A driver's test calls this once, with a factory over a real
 * directory or a real server.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheCapabilities } from '../../src/lib/cache/content-cache.ts';
import { CHUNK_BYTES } from '../../src/lib/cache/chunk-source.ts';
import { ClipctlError, errorCodeOf } from '../../src/lib/errors.ts';
import { drain, seededContent, sourceOf } from '../cache/seeded-content.ts';
import { expectNoSecret, expectNothingVisible, listOf, readAll, signal, store } from './given-cache.ts';
import type { CacheUnderTest, Given } from './given-cache.ts';
import { sharing } from './shared-content.ts';

export interface SuiteOptions {
  /** Strings that no error may show. */
  readonly secrets?: readonly string[];
  /** One content of more than a chunk, not one of each size: for decorators, whose driver has passed all of them. */
  readonly isBrief?: boolean;
  /** What the server turns out to refuse when it is tried first: said by an error, and by the capabilities from then on. */
  readonly refuses?: { readonly ranges?: true; readonly delete?: true };
  /** What the cache must say of itself; a part of the suite that it lets skip is skipped for this reason alone. */
  readonly capabilities?: CacheCapabilities;
}

const MIB = 1 << 20;

export function contentCacheSuite(name: string, factory: () => Promise<CacheUnderTest>, options: SuiteOptions = {}): void {
  let under: CacheUnderTest;
  const errors: unknown[] = [];

  beforeEach(async () => {
    under = await factory();
  });
  afterEach(async () => {
    try {
      for (const error of errors) expectNoSecret(error, options.secrets ?? []);
      expect(await under.leftovers()).toEqual([]);
      expect(await under.heldHandles()).toEqual([]);
    } finally {
      errors.length = 0;
      await under.cache.close();
      await under.close();
    }
  });

  const given: Given = {
    cache: () => under.cache,
    under: () => under,
    failure: async (action) => {
      const error: unknown = await action.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error, 'it should have failed').toBeDefined();
      errors.push(error);
      return error;
    },
  };
  describe(`${name} as a content cache`, () => {
    describe('round trips', () => roundTrips(given, options));
    describe('ranges', () => ranges(given, options));
    describe('refusals', () => refusals(given));
    describe('aborts', () => aborts(given, options));
    describe('sharing', () => sharing(given));
  });
}

function roundTrips(given: Given, { isBrief = false, capabilities, refuses = {} }: SuiteOptions): void {
  it('says what it can do', () => {
    const said = given.cache().capabilities;
    if (capabilities !== undefined) expect(said).toEqual(capabilities);
    expect('listContent' in given.cache()).toBe(said.list);
    expect('deleteContent' in given.cache()).toBe(said.delete);
  });

  it('says undefined for what it does not have', async () => {
    const { hash } = seededContent(1, 10);
    expect(await given.cache().contentExists(hash, { signal })).toBeUndefined();
    expect(await given.cache().getContent(hash, { signal })).toBeUndefined();
    expect(await given.cache().getContent(hash, { offset: 0, length: 1, signal })).toBeUndefined();
    expect(await listOf(given.cache())).toEqual([]);
  });

  const sizes: [string, number, number][] = [
    ['empty content', 0, 0],
    ['one byte', 1, 1],
    ['42 bytes', 42, 1],
    ['one byte less than a chunk', CHUNK_BYTES - 1, 1],
    ['exactly one chunk', CHUNK_BYTES, 1],
    ['one byte more than a chunk', CHUNK_BYTES + 1, 2],
    ['exactly two chunks', 2 * CHUNK_BYTES, 2],
    ['two chunks and a rest', 2 * CHUNK_BYTES + 3 * MIB + 7, 3],
  ];
  it.each(isBrief ? sizes.filter(([, bytes]) => bytes <= 42 || bytes === CHUNK_BYTES + 1) : sizes)(
    'gives back %s as it was stored',
    async (_what, sizeBytes, chunks) => {
      const content = seededContent(2, sizeBytes);
      const result = await given.cache().storeContent(content.source(), content.hash, { sizeBytes, signal });
      expect(result).toEqual({ sentBytes: sizeBytes, chunks, skipped: false });
      for (const seen of [given.cache(), await given.under().reopen()]) {
        expect(await seen.contentExists(content.hash, { signal })).toEqual({ sizeBytes });
        expect(await readAll(seen, content)).toEqual({ sizeBytes, hash: content.hash });
      }
    },
  );

  it('lists what is committed, with its size, and nothing else', async () => {
    if (!given.cache().capabilities.list) return;
    const contents = [seededContent(3, 5), seededContent(4, MIB)];
    for (const content of contents) await store(given.cache(), content);
    const listed: { hash: string; sizeBytes: number }[] = [];
    for await (const entry of given.cache().listContent?.({ signal }) ?? []) listed.push(entry);
    const expected = contents.map(({ hash, sizeBytes }) => ({ hash, sizeBytes }));
    expect(listed.sort((a, b) => a.sizeBytes - b.sizeBytes)).toEqual(expected);
  });

  it('deletes content, once', async () => {
    if (!given.cache().capabilities.delete) return;
    const content = seededContent(5, 100);
    await store(given.cache(), content);
    if (refuses.delete === true) {
      expect(errorCodeOf(await given.failure(Promise.resolve(given.cache().deleteContent?.(content.hash, { signal }))))).toBe(
        'REMOTE_FAILED',
      );
      return expect(given.cache().capabilities.delete).toBe(false);
    }
    expect(await given.cache().deleteContent?.(content.hash, { signal })).toBe(true);
    expect(await given.cache().deleteContent?.(content.hash, { signal })).toBe(false);
    await expectNothingVisible(given, content.hash);
  });
}

function ranges(given: Given, { refuses = {} }: SuiteOptions): void {
  const sizeBytes = CHUNK_BYTES + 3 * MIB + 11;
  const content = seededContent(6, sizeBytes);
  const cases: [string, number, number][] = [
    ['the first byte', 0, 1],
    ['the first MiB', 0, MIB],
    ['bytes in the middle', 5 * MIB + 3, 70_001],
    ['bytes over the border of two chunks', CHUNK_BYTES - 5, 10],
    ['the last byte', sizeBytes - 1, 1],
    ['bytes that reach over the end', sizeBytes - 10, 1000],
    ['bytes from the end on', sizeBytes, 10],
    ['bytes wholly past the end', sizeBytes + 10 * MIB, 10],
    ['no bytes', 7, 0],
  ];

  it('reads each range as the slice of the content', async () => {
    await store(given.cache(), content);
    if (!given.cache().capabilities.ranges || refuses.ranges === true) {
      const asked = given.cache().getContent(content.hash, { offset: 5, length: 10, signal });
      expect(errorCodeOf(await given.failure(asked))).toBe('REMOTE_FAILED');
      return expect(given.cache().capabilities.ranges).toBe(false);
    }
    for (const [what, offset, length] of cases) {
      const stream = await given.cache().getContent(content.hash, { offset, length, signal });
      if (stream === undefined) throw new Error(`a miss for ${what}`);
      const { sizeBytes: readBytes, first } = await drain(stream);
      const expected = content.slice(offset, length);
      expect(readBytes, what).toBe(expected.length);
      expect(first.subarray(0, readBytes).equals(expected), what).toBe(true);
    }
  });
}

function refusals(given: Given): void {
  const content = seededContent(7, CHUNK_BYTES + 2 * MIB);
  const { sizeBytes, hash, slice } = content;

  it('refuses content with one flipped bit, and shows nothing', async () => {
    const flipped = (offset: number, length: number): Buffer => {
      const bytes = slice(offset, length);
      if (offset === CHUNK_BYTES) bytes[17] = (bytes[17] ?? 0) ^ 4;
      return bytes;
    };
    const error = await given.failure(given.cache().storeContent(sourceOf(sizeBytes, flipped), hash, { sizeBytes, signal }));
    expect(errorCodeOf(error)).toBe('DIGEST_MISMATCH');
    await expectNothingVisible(given, hash);
  });

  it('refuses a source that ends 42 bytes early, and shows nothing', async () => {
    const error = await given.failure(given.cache().storeContent(sourceOf(sizeBytes - 42, slice), hash, { sizeBytes, signal }));
    expect(errorCodeOf(error)).toBe('SIZE_MISMATCH');
    await expectNothingVisible(given, hash);
  });

  it('refuses a source with one byte more than was said, and shows nothing', async () => {
    const said = sizeBytes - 1;
    const error = await given.failure(given.cache().storeContent(content.source(), hash, { sizeBytes: said, signal }));
    expect(errorCodeOf(error)).toBe('SIZE_MISMATCH');
    await expectNothingVisible(given, hash);
  });

  it('passes on the error of a source that fails half-way, and shows nothing', async () => {
    const broken = new ClipctlError('NETWORK', 'the source broke');
    const source = sourceOf(sizeBytes, slice, (offset) => {
      if (offset === CHUNK_BYTES) throw broken;
    });
    expect(await given.failure(given.cache().storeContent(source, hash, { sizeBytes, signal }))).toBe(broken);
    await expectNothingVisible(given, hash);
  });

  it('stores the right content after a refused one', async () => {
    await given.failure(given.cache().storeContent(sourceOf(sizeBytes - 1, slice), hash, { sizeBytes, signal }));
    await store(given.cache(), content);
    expect(await readAll(given.cache(), content)).toEqual({ sizeBytes, hash });
  });
}

function aborts(given: Given, { refuses = {} }: SuiteOptions): void {
  const content = seededContent(8, 3 * MIB);
  const { sizeBytes, hash, slice } = content;

  it('does nothing when the signal is aborted before the call', async () => {
    const aborted = AbortSignal.abort(new ClipctlError('ABORTED', 'stopped'));
    await store(given.cache(), content);
    const other = seededContent(9, 10);
    expect(errorCodeOf(await given.failure(given.cache().contentExists(hash, { signal: aborted })))).toBe('ABORTED');
    expect(errorCodeOf(await given.failure(given.cache().getContent(hash, { signal: aborted })))).toBe('ABORTED');
    const storing = given.cache().storeContent(other.source(), other.hash, { sizeBytes: 10, signal: aborted });
    expect(errorCodeOf(await given.failure(storing))).toBe('ABORTED');
    await expectNothingVisible(given, other.hash);
  });

  it('stops a get that is under way, and frees its handles', async () => {
    const controller = new AbortController();
    await store(given.cache(), content);
    const stream = await given.cache().getContent(hash, { signal: controller.signal });
    const reading = (async () => {
      for await (const _piece of stream ?? []) controller.abort();
    })();
    expect(errorCodeOf(await given.failure(reading))).toBe('ABORTED');
    expect(await given.under().heldHandles()).toEqual([]);
  });

  it('stops a store that is under way, and shows nothing', async () => {
    const controller = new AbortController();
    const source = sourceOf(sizeBytes, slice, (offset) => {
      if (offset === MIB) controller.abort(new ClipctlError('ABORTED', 'stopped'));
    });
    const storing = given.cache().storeContent(source, hash, { sizeBytes, signal: controller.signal });
    expect(errorCodeOf(await given.failure(storing))).toBe('ABORTED');
    await expectNothingVisible(given, hash);
  });

  it('frees the handles of readers that are abandoned, read or not', async () => {
    await store(given.cache(), content);
    const unread = await given.cache().getContent(hash, { signal });
    const half = await given.cache().getContent(hash, { signal });
    const hasRanges = given.cache().capabilities.ranges && refuses.ranges !== true;
    const range = hasRanges ? await given.cache().getContent(hash, { offset: 5, length: MIB, signal }) : undefined;
    for await (const _piece of half ?? []) break;
    unread?.destroy();
    range?.destroy();
    expect(await given.under().heldHandles()).toEqual([]);
  });
}
