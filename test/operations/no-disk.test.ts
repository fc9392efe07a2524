/** Layers straight from their source into remote caches, through parts of the budget, and nothing on disk. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { openCache, type Cache } from '../../src/lib/operations/open-cache.ts';
import { PART_BYTES } from '../../src/lib/pipeline/layer-parts.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';

const MIB = 1 << 20;
let dir: string;
let cache: Cache;
const near = (): string => `file://${join(dir, 'near')}`;
const far = (): string => `file://${join(dir, 'far')}`;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-no-disk-'));
  cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 4, retries: 0 });
});
afterEach(async () => {
  await cache.close();
  await rm(dir, { recursive: true, force: true });
});

const layout = (layers: readonly MadeLayer[]): Promise<MadeLayout> => makeLayout(join(dir, 'app'), layers);
const hexOf = (made: MadeLayout, at: number): string => made.layers[at]?.diffId.slice('sha256:'.length) ?? '';
const namesIn = (name: string): Promise<string[]> => readdir(join(dir, name)).catch(() => []);
const codeOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'nothing', errorCodeOf);

async function expectHeld(name: string, made: MadeLayout): Promise<void> {
  for (const [at] of made.layers.entries()) {
    const bytes = await readFile(join(dir, name, hexOf(made, at)));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hexOf(made, at));
  }
}

const SMALL: MadeLayer = { files: { a: 'small' } };

describe('--no-disk', () => {
  it('sends a layer of several parts to two remotes out of one download, and keeps nothing', async () => {
    const made = await layout([{ files: { big: randomBytes(3 * PART_BYTES + 5) } }, SMALL]);
    const registry: LoopbackRegistry = await startLoopbackRegistry({ repositories: { app: made.directory } });
    try {
      const result = await cache.pushCache({
        images: [`${registry.host}/app:v1`],
        to: [near(), far()],
        noDisk: true,
        verify: 'full',
      });
      expect(result.remotes.map(({ layers }) => layers.map(({ chunks, skipped }) => [chunks, skipped]))).toEqual([
        [
          [4, false],
          [1, false],
        ],
        [
          [4, false],
          [1, false],
        ],
      ]);
      expect(result.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      const blobs = registry.requests.filter(({ path }) => made.layers.some(({ digest }) => path.endsWith(digest)));
      // A layer that comes slowly is read over several connections: what counts is that no byte came twice.
      const layerBytes = made.layers.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
      expect(blobs.reduce((sum, { bytesServed }) => sum + bytesServed, 0)).toBe(layerBytes);
    } finally {
      await registry.close();
    }
    await expectHeld('near', made);
    await expectHeld('far', made);
    expect((await namesIn('cache')).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
  });

  it.each(['gzip', 'zstd', 'none'] as const)('takes %s, and a length that fills its last part exactly', async (compression) => {
    // Header, content, two blocks at the end, as the tar has them.
    const made = await layout([{ files: { a: randomBytes(PART_BYTES - 512 - 1024) }, compression }]);
    const result = await cache.pushCache({ images: [made.reference], to: [near()], noDisk: true });
    const [layer] = result.remotes[0]?.layers ?? [];
    expect(layer).toMatchObject({ sentBytes: made.layers[0]?.uncompressedBytes, chunks: 1 });
    await expectHeld('near', made);
  });

  it('skips what a remote has, and asks the source for nothing when all have it', async () => {
    const made = await layout([SMALL]);
    await cache.pushCache({ images: [made.reference], to: [near()], noDisk: true });
    await rm(join(made.directory, 'blobs/sha256', made.layers[0]?.digest.slice('sha256:'.length) ?? ''));
    const again = await cache.pushCache({ images: [made.reference], to: [near()], noDisk: true });
    expect(again.remotes[0]?.layers).toMatchObject([
      { skipped: true, sentBytes: 0, uncompressedBytes: made.layers[0]?.uncompressedBytes },
    ]);
  });

  it('publishes nothing of a layer with a wrong diffID', async () => {
    const made = await layout([{ files: { a: randomBytes(PART_BYTES + 1) }, claims: { diffId: `sha256:${'1'.repeat(64)}` } }]);
    expect(await codeOf(cache.pushCache({ images: [made.reference], to: [near(), far()], noDisk: true }))).toBe(
      'DIFF_ID_MISMATCH',
    );
    expect([await namesIn('near'), await namesIn('far')]).toEqual([[], []]);
  });

  it('publishes nothing of a layer that is cut at its source', async () => {
    const made = await layout([{ files: { a: randomBytes(2 * PART_BYTES) } }]);
    const blob = join(made.directory, 'blobs/sha256', made.layers[0]?.digest.slice('sha256:'.length) ?? '');
    const bytes = await readFile(blob);
    await writeFile(blob, bytes.fill(0, Math.floor(bytes.length / 2)));
    expect(await codeOf(cache.pushCache({ images: [made.reference], to: [near()], noDisk: true }))).toBe('DIGEST_MISMATCH');
    expect(await namesIn('near')).toEqual([]);
  });

  it('fills the other remote when one fails, and exits 11', async () => {
    const made = await layout([{ files: { a: randomBytes(PART_BYTES * 2) } }, SMALL]);
    await writeFile(join(dir, 'near'), 'a file, where a directory should be');
    expect(await codeOf(cache.pushCache({ images: [made.reference], to: [near(), far()], noDisk: true }))).toBe('REMOTE_FAILED');
    await expectHeld('far', made);
  });

  it('is a warm too: what a remote took is stored, the disk stays as it was', async () => {
    const made = await layout([SMALL, { files: { b: 'b' } }]);
    await cache.warm({ images: [made.reference], layers: [made.layers[0]?.digest as never] });
    const result = await cache.warm({ images: [made.reference], to: [near()], noDisk: true, verify: 'quick' });
    expect(result.images[0]?.layers.map(({ servedBy, stored }) => [servedBy, stored])).toEqual([
      ['disk', [near()]],
      ['layout', [near()]],
    ]);
    expect(result.verification?.tiers).toMatchObject([{ tier: near(), layers: 2, hits: 2, hitRatio: 1 }]);
    expect((await namesIn('cache')).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([hexOf(made, 0)]);
  });

  it('keeps twenty layers at once within the budget', async () => {
    await cache.close();
    cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 20 });
    const layers = Array.from({ length: 20 }, (_, at) => ({ files: { [`f${at}`]: randomBytes(PART_BYTES + at) } }));
    const made = await layout(layers);
    const result = await cache.pushCache({ images: [made.reference], to: [near()], noDisk: true });
    expect(result.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    expect(result.remotes[0]?.layers).toHaveLength(20);
    await expectHeld('near', made);
  });
});

describe('twenty layers over the disk', () => {
  it('go to two remotes within the budget', async () => {
    await cache.close();
    cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 20 });
    const made = await layout(Array.from({ length: 20 }, (_, at) => ({ files: { [`f${at}`]: randomBytes(3 * MIB + at) } })));
    const result = await cache.warm({ images: [made.reference], to: [near(), far()] });
    expect(result.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    expect(result.images[0]?.layers.every(({ stored }) => stored.length === 2)).toBe(true);
    await expectHeld('far', made);
  });
});
