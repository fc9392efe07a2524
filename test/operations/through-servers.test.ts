/** Layers into real servers: many at once in one budget, and straight through with nothing published that is wrong. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { openCache, type Cache } from '../../src/lib/operations/open-cache.ts';
import { PART_BYTES } from '../../src/lib/pipeline/layer-parts.ts';
import { startBlobcacheServer, type BlobcacheServer } from '../servers/blobcache-server.ts';
import { startCasServer, type CasServer } from '../servers/cas-server.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';
import { redisServerMissing, startRedisServer, type RedisServer } from '../servers/redis-server.ts';

const MIB = 1 << 20;
const LAYERS = 20;
let dir: string;
let cache: Cache;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-through-'));
  cache = openCache({ cacheDir: join(dir, 'cache'), jobs: LAYERS, retries: 0 });
});
afterEach(async () => {
  await cache.close();
  await rm(dir, { recursive: true, force: true });
});

const layout = (layers: readonly MadeLayer[]): Promise<MadeLayout> => makeLayout(join(dir, 'app'), layers);
const many = (sizeBytes: number): Promise<MadeLayout> =>
  layout(Array.from({ length: LAYERS }, (_, at) => ({ files: { [`f${at}`]: randomBytes(sizeBytes + at) } })));

describe.skipIf(redisServerMissing() !== undefined)('twenty layers at once into Redis', () => {
  let server: RedisServer;
  const url = (): string => `redis://127.0.0.1:${server.port}/0`;
  beforeEach(async () => {
    server = await startRedisServer();
  });
  afterEach(() => server.close());

  it.each([
    ['from disk', false, 3 * MIB],
    ['straight through', true, PART_BYTES],
  ])('%s stay within the budget, and come back right', async (_how, noDisk, sizeBytes) => {
    const made = await many(sizeBytes);
    const pushed = await cache.pushCache({ images: [made.reference], to: [url()], noDisk, verify: 'full' });
    expect(pushed.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    expect(pushed.verification?.tiers).toMatchObject([{ hits: LAYERS, hitRatio: 1, wrong: [] }]);
    await cache.close();
    cache = openCache({ cacheDir: join(dir, 'other'), jobs: LAYERS });
    const warmed = await cache.warm({ images: [made.reference], from: [url()] });
    expect(warmed.remotes).toMatchObject([{ hits: LAYERS, misses: 0, corrupt: 0, failures: 0 }]);
    expect(warmed.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
  });
});

describe('twenty layers at once into a blobcache server', () => {
  let server: BlobcacheServer;
  beforeEach(async () => {
    server = await startBlobcacheServer();
  });
  afterEach(() => server.close());

  it.each([
    ['from disk', false, 3 * MIB],
    ['straight through', true, PART_BYTES],
  ])(
    '%s stay within the budget, and come back right',
    async (_how, noDisk, sizeBytes) => {
      const made = await many(sizeBytes);
      const pushed = await cache.pushCache({ images: [made.reference], to: [server.url], noDisk, verify: 'full' });
      expect(pushed.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      expect(pushed.verification?.tiers).toMatchObject([{ hits: LAYERS, hitRatio: 1, wrong: [] }]);
      await cache.close();
      cache = openCache({ cacheDir: join(dir, 'other'), jobs: LAYERS });
      const warmed = await cache.warm({ images: [made.reference], from: [server.url] });
      expect(warmed.remotes).toMatchObject([{ hits: LAYERS, misses: 0, corrupt: 0, failures: 0 }]);
      expect(warmed.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    },
    60_000,
  );
});

describe('a web server that must be told the size', () => {
  let server: CasServer;
  beforeEach(async () => {
    server = await startCasServer();
  });
  afterEach(() => server.close());
  const push = (made: MadeLayout): Promise<unknown> =>
    cache.pushCache({ images: [made.reference], to: [server.url], noDisk: true });
  const codeOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'nothing', errorCodeOf);

  it('takes what is not compressed straight through', async () => {
    const made = await layout([{ files: { a: randomBytes(PART_BYTES + 5) }, compression: 'none' }]);
    await push(made);
    expect(server.contents.size).toBe(1);
  });

  it('is refused a compressed layer that no index knows, before anything is sent', async () => {
    const made = await layout([{ files: { a: 'a' } }]);
    expect(await codeOf(push(made))).toBe('USAGE');
    expect(server.requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
  });

  it('publishes nothing of a layer that turns out wrong at its end', async () => {
    const made = await layout([{ files: { a: randomBytes(2 * PART_BYTES) }, compression: 'none' }]);
    const blob = join(made.directory, 'blobs/sha256', made.layers[0]?.digest.slice('sha256:'.length) ?? '');
    const bytes = await readFile(blob);
    await writeFile(blob, bytes.fill(7, bytes.length - 5000, bytes.length - 4000));
    expect(await codeOf(push(made))).toBe('DIGEST_MISMATCH');
    expect(server.contents.size).toBe(0);
  });
});
