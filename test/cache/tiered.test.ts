import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheCallOptions, ContentCache } from '../../src/lib/cache/content-cache.ts';
import { openFileRemote } from '../../src/lib/cache/remote/file.ts';
import { fillFromRemotes, findInTiers } from '../../src/lib/cache/tiered.ts';
import { ClipctlError, errorCodeOf } from '../../src/lib/errors.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { codeOf, makeCacheDirectory, signal, storeIn } from './cache-directory.ts';
import type { CacheDirectory } from './cache-directory.ts';
import { handlesLeftIn } from './open-handles.ts';
import { drain, seededContent } from './seeded-content.ts';

const content = seededContent(60, 2_000_000);
const { hash, sizeBytes } = content;
let dir: CacheDirectory;
let near: ContentCache;
let far: ContentCache;

beforeEach(async () => {
  dir = await makeCacheDirectory();
  near = openFileRemote(join(dir.path, '..', 'near'));
  far = openFileRemote(join(dir.path, '..', 'far'));
});
afterEach(async () => {
  try {
    expect(await handlesLeftIn(join(dir.path, '..'))).toEqual([]);
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest')).catch(() => [])).toEqual([]);
  } finally {
    await dir.remove();
  }
});

async function storeAt(remote: ContentCache): Promise<void> {
  await remote.storeContent(content.source(), hash, { sizeBytes, signal });
}

const nearFile = (): string => join(dir.path, '..', 'near', hash);

/** A remote whose answer is scripted: what a hostile or broken server may say. Everything else is a file remote. */
function remoteSaying(get: (options: CacheCallOptions) => Promise<Readable>, claimedBytes = sizeBytes): ContentCache {
  const base = openFileRemote(join(dir.path, '..', 'scripted'));
  return {
    url: 'scripted://host',
    capabilities: base.capabilities,
    contentExists: async () => ({ sizeBytes: claimedBytes }),
    getContent: ((_hash: unknown, options: CacheCallOptions) => get(options)) as ContentCache['getContent'],
    storeContent: base.storeContent.bind(base),
    close: async () => undefined,
  };
}

describe('finding', () => {
  it('stops at the nearest tier that has the content', async () => {
    const options = { disk: dir.open(), remotes: [near, far], signal };
    expect(await findInTiers(hash, options)).toEqual({ misses: [near.url, far.url], failures: [] });
    await storeAt(far);
    const found = await findInTiers(hash, options);
    expect(found).toEqual({ hit: { tier: 'remote', remote: far, sizeBytes }, misses: [near.url], failures: [] });
    await storeIn(options.disk, content);
    expect(await findInTiers(hash, options)).toEqual({ hit: { tier: 'disk', sizeBytes }, misses: [], failures: [] });
  });

  it('tells a remote that failed from one that has nothing, and goes on', async () => {
    await writeFile(join(dir.path, '..', 'near'), 'no directory');
    await storeAt(far);
    const found = await findInTiers(hash, { disk: dir.open(), remotes: [near, far], signal });
    expect(found.hit).toEqual({ tier: 'remote', remote: far, sizeBytes });
    expect(found.misses).toEqual([]);
    expect(found.failures.map(({ url, corrupt, error }) => [url, corrupt, errorCodeOf(error)])).toEqual([
      [near.url, false, 'STORAGE_ERROR'],
    ]);
  });
});

describe('filling', () => {
  it('commits what a remote has, verified, and says who served it', async () => {
    await storeAt(far);
    const disk = dir.open();
    const heard: number[] = [];
    const onBytes = (bytes: number): void => void heard.push(bytes);
    const fill = await fillFromRemotes(hash, { disk, remotes: [near, far], signal, onBytes });
    expect(fill).toEqual({ filled: { url: far.url, sizeBytes }, downloadedBytes: sizeBytes, misses: [near.url], failures: [] });
    expect(heard.at(-1)).toBe(sizeBytes);
    expect(await disk.checkLayer(hash)).toBe('verified');
    expect((await drain(await disk.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it('fills nothing when nobody has it', async () => {
    const fill = await fillFromRemotes(hash, { disk: dir.open(), remotes: [near, far], signal });
    expect(fill).toEqual({ downloadedBytes: 0, misses: [near.url, far.url], failures: [] });
    expect(await readdir(dir.path).catch(() => [])).toEqual([]);
  });

  it('throws what the disk says: the next tier could not be stored either', async () => {
    await storeAt(near);
    await mkdir(join(dir.path, hash), { recursive: true });
    const filling = fillFromRemotes(hash, { disk: dir.open(), remotes: [near], signal });
    expect(await codeOf(filling)).toBe('STORAGE_ERROR');
  });

  it('throws an abort, and leaves nothing', async () => {
    await storeAt(near);
    const controller = new AbortController();
    const onBytes = (): void => controller.abort(new ClipctlError('ABORTED', 'stopped'));
    const filling = fillFromRemotes(hash, { disk: dir.open(), remotes: [near], signal: controller.signal, onBytes });
    expect(await codeOf(filling)).toBe('ABORTED');
    expect(await dir.open().checkLayer(hash)).toBe('missing');
  });
});

/** RELIABILITY §1.3 row 18. */
describe('a remote that holds wrong bytes', () => {
  const other = seededContent(61, sizeBytes);
  const poisons: [string, () => Promise<ContentCache>, { code: ErrorCode; corrupt: boolean }][] = [
    [
      'flipped on its disk',
      () => poisonedFile((path) => writeFile(path, Buffer.alloc(sizeBytes))),
      { code: 'CACHE_CORRUPT', corrupt: true },
    ],
    ["with another key's content", () => scripted(other.slice(0, sizeBytes)), { code: 'DIGEST_MISMATCH', corrupt: true }],
    ['cut', () => scripted(content.slice(0, sizeBytes - 1)), { code: 'SIZE_MISMATCH', corrupt: true }],
    [
      'longer',
      () => scripted(Buffer.concat([content.slice(0, sizeBytes), Buffer.from('x')])),
      { code: 'SIZE_MISMATCH', corrupt: true },
    ],
    ['a page of HTML', () => scripted(Buffer.from('<html>login</html>')), { code: 'SIZE_MISMATCH', corrupt: true }],
    [
      'that claims more than is allowed',
      async () => remoteSaying(refuseToOpen, 2 ** 52),
      { code: 'LIMIT_LAYER_SIZE', corrupt: false },
    ],
    ['whose connection breaks', async () => remoteSaying(breakHalfWay), { code: 'NETWORK', corrupt: false }],
    ['that does not answer', async () => remoteSaying(refuseToOpen), { code: 'NETWORK', corrupt: false }],
  ];

  async function poisonedFile(poison: (path: string) => Promise<void>): Promise<ContentCache> {
    await storeAt(near);
    await poison(nearFile());
    return near;
  }

  async function scripted(bytes: Buffer): Promise<ContentCache> {
    return remoteSaying(async () => Readable.from([bytes]));
  }

  function breakHalfWay(): Promise<Readable> {
    async function* half(): AsyncGenerator<Buffer> {
      yield content.slice(0, 1000);
      throw new ClipctlError('NETWORK', 'reset');
    }
    return Promise.resolve(Readable.from(half()));
  }

  function refuseToOpen(): Promise<Readable> {
    return Promise.reject(new ClipctlError('NETWORK', 'refused'));
  }

  it.each(poisons)('%s is reported, never materialised, and the next one serves', async (_what, make, { code, corrupt }) => {
    const bad = await make();
    const disk = dir.open();
    const options = { disk, signal, maxBytes: 1 << 30 };
    const alone = await fillFromRemotes(hash, { ...options, remotes: [bad] });
    expect(alone.filled).toBeUndefined();
    expect(alone.failures.map((failure) => [failure.url, failure.corrupt, errorCodeOf(failure.error)])).toEqual([
      [bad.url, corrupt, code],
    ]);
    expect(await disk.checkLayer(hash)).toBe('missing');
    await storeAt(far);
    const both = await fillFromRemotes(hash, { ...options, remotes: [bad, far] });
    expect(both.filled).toEqual({ url: far.url, sizeBytes });
    expect(both.failures).toHaveLength(1);
    expect(await disk.checkLayer(hash)).toBe('verified');
  });

  it('that claims a size no disk can hold does not stop the next one', async () => {
    await storeAt(far);
    const liar = remoteSaying(async () => Readable.from([content.slice(0, sizeBytes)]), Number.MAX_SAFE_INTEGER);
    const fill = await fillFromRemotes(hash, { disk: dir.open(), remotes: [liar, far], signal });
    expect(fill.filled).toEqual({ url: far.url, sizeBytes });
    expect(fill.failures.map(({ error }) => errorCodeOf(error))).toEqual(['STORAGE_FULL']);
  });

  it('that was cut on its disk is found out before a byte is read', async () => {
    await storeAt(near);
    await truncate(nearFile(), 10);
    const fill = await fillFromRemotes(hash, { disk: dir.open(), remotes: [near], signal });
    expect([fill.filled, fill.misses, fill.downloadedBytes]).toEqual([undefined, [], 0]);
    expect(fill.failures).toMatchObject([{ url: near.url, error: { code: 'CACHE_CORRUPT' }, corrupt: true }]);
  });
});
