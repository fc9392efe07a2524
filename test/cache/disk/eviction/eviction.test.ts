/** What goes, what stays and what is refused when the disk cache needs room (RELIABILITY §2 rows 11, 14). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writePin } from '../../../../src/lib/cache/disk/pins.ts';
import { surveyCache } from '../../../../src/lib/cache/disk/survey.ts';
import { digestOfHash } from '../../../../src/lib/oci/digest.ts';
import { codeOf, signal, storeIn, wrongFilesIn } from '../../cache-directory.ts';
import { drain, seededContent } from '../../seeded-content.ts';
import { LAYER_BYTES, layersOf, makeSizedCache, setAge, type SizedCache } from './sized-cache.ts';

const [a, b, c, d] = layersOf(4) as [
  ReturnType<typeof seededContent>,
  ReturnType<typeof seededContent>,
  ReturnType<typeof seededContent>,
  ReturnType<typeof seededContent>,
];
const STATE_BYTES = 180 * 1024;
const THREE_LAYERS = 3 * LAYER_BYTES + STATE_BYTES;

let dir: SizedCache;
beforeEach(async () => {
  dir = await makeSizedCache();
});
afterEach(async () => {
  try {
    expect(await wrongFilesIn(dir.path)).toEqual([]);
  } finally {
    await dir.remove();
  }
});

async function storeUnderCap(): Promise<void> {
  const cache = dir.openWith({ maxCacheBytes: THREE_LAYERS });
  try {
    await storeIn(cache, d);
  } finally {
    await cache.close();
  }
}

describe('§2 row 14: above the cap', () => {
  it('the least recently used layer goes before a new one is written', async () => {
    await dir.fill(a, b, c);
    await storeUnderCap();
    expect(await dir.present(a, b, c, d)).toEqual([false, true, true, true]);
  });

  it('a use makes a layer the last to go', async () => {
    await dir.fill(a, b, c);
    await setAge(dir.path, a, 20 * 60_000);
    await storeUnderCap();
    expect(await dir.present(a, b, c, d)).toEqual([true, false, true, true]);
  });

  it('a pinned layer stays', async () => {
    await dir.fill(a, b, c);
    await writePin(dir.path, { name: 'keep', diffIds: [digestOfHash(a.hash)] });
    await storeUnderCap();
    expect(await dir.present(a, b, c, d)).toEqual([true, false, true, true]);
  });

  it('a layer that another reader leased stays until the reader has ended', async () => {
    await dir.fill(a, b, c);
    const reader = dir.openWith({});
    await reader.holdLayers([a.hash]);
    await storeUnderCap();
    expect(await dir.present(a, b, c, d)).toEqual([true, false, true, true]);
    await reader.close();
    await setAge(dir.path, d, 30 * 60_000);
    await storeIn(dir.openWith({ maxCacheBytes: THREE_LAYERS }), b);
    expect(await dir.present(a, b, c, d)).toEqual([false, true, true, true]);
  });

  it('a layer that a process without a lease has open stays', async () => {
    await dir.fill(a, b, c);
    const handle = await open(join(dir.path, a.hash));
    const reader = spawn('sleep', ['60'], { stdio: [handle.fd, 'ignore', 'ignore'] });
    try {
      await once(reader, 'spawn');
      await handle.close();
      await storeUnderCap();
      expect(await dir.present(a, b, c, d)).toEqual([true, false, true, true]);
    } finally {
      reader.kill();
    }
  });

  it('a layer used a moment ago stays, and what can then not fit is refused with need and have', async () => {
    await dir.fill(a, b, c);
    for (const layer of [a, b, c]) await setAge(dir.path, layer, 60_000);
    await expect(storeUnderCap()).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: expect.stringMatching(/262144 bytes needed, \d+ left of \d+/) as string,
      hint: expect.stringContaining('clipctl cache prune') as string,
    });
    expect(await dir.present(a, b, c, d)).toEqual([true, true, true, false]);
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });

  it('a layer larger than the cap is refused before it is written, and nothing that could stay goes', async () => {
    await dir.fill(a, b);
    const cache = dir.openWith({ maxCacheBytes: LAYER_BYTES });
    await expect(cache.beginIngest({ sizeBytes: 2 * LAYER_BYTES })).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    await cache.close();
    expect(await dir.present(a, b)).toEqual([true, true]);
  });

  it('of two layers of unknown size that grow at once, and of which one fits, one comes and one is refused', async () => {
    const cache = dir.openWith({ maxCacheBytes: LAYER_BYTES + STATE_BYTES });
    const ingests = await Promise.all([a, b].map(async (layer) => ({ layer, ingest: await cache.beginIngest() })));
    for (const { layer, ingest } of ingests) await writeFile(ingest.path, layer.slice(0, LAYER_BYTES));
    const commits = await Promise.allSettled(
      ingests.map(({ layer, ingest }) => ingest.commit(layer.hash, { sizeBytes: LAYER_BYTES, signal })),
    );
    for (const { ingest } of ingests) await ingest.discard();
    await cache.close();
    const refused = commits.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject([{ reason: { code: 'STORAGE_FULL' } }]);
    expect(await dir.present(a, b)).toEqual(commits.map(({ status }) => status === 'fulfilled'));
  });

  it('a layer that has just got its name, and is a transfer still, counts once', async () => {
    await dir.fill(a);
    const before = await surveyCache(dir.path, { signal });
    const transfer = join(dir.path, '.clipctl/v1/ingest', `${a.hash}.${'0'.repeat(32)}`);
    await mkdir(transfer, { recursive: true });
    await link(join(dir.path, a.hash), join(transfer, 'layer'));
    const after = await surveyCache(dir.path, { signal });
    expect(after.ownBytes - before.ownBytes).toBeLessThan(LAYER_BYTES);
    const cache = dir.openWith({ maxCacheBytes: 2 * LAYER_BYTES + STATE_BYTES });
    await cache.holdLayers([a.hash]);
    await storeIn(cache, b);
    await cache.close();
    expect(await dir.present(a, b)).toEqual([true, true]);
  });

  it('what others put there stays and does not count', async () => {
    await dir.fill(a, b);
    const foreign = seededContent(1, LAYER_BYTES);
    await writeFile(join(dir.path, foreign.hash), foreign.slice(0, LAYER_BYTES));
    await writeFile(join(dir.path, `${a.hash}.tmp`), Buffer.alloc(LAYER_BYTES));
    await storeUnderCap();
    expect(await dir.present(a, b, d, foreign)).toEqual([true, true, true, true]);
    expect(await readdir(dir.path)).toContain(`${a.hash}.tmp`);
  });
});

describe('§2 row 11: where a quota that no figure shows is used up', () => {
  it('as much goes as did not fit, and nothing that is in use', async () => {
    await dir.fill(a, b, c);
    const cache = dir.openWith({});
    const demand = { requiredBytes: LAYER_BYTES, leastBytes: LAYER_BYTES };
    expect(await cache.room.gain(demand)).toBe(true);
    expect(await dir.present(a, b, c)).toEqual([false, true, true]);
    await cache.holdLayers([b.hash, c.hash]);
    expect(await cache.room.gain(demand)).toBe(false);
    expect(await dir.present(a, b, c)).toEqual([false, true, true]);
    await cache.close();
  });
});

describe('below the free-space floor', () => {
  it('layers go although the cap is far away, and a demand that can never be met is refused', async () => {
    await dir.fill(a, b, c);
    const cache = dir.openWith({ minFreeBytes: Number.MAX_SAFE_INTEGER / 4 });
    expect(await codeOf(cache.beginIngest({ sizeBytes: 10 }))).toBe('STORAGE_FULL');
    await cache.close();
  });
});

describe('§2 row 14: readers', () => {
  it('of a layer that goes read on to its end', async () => {
    await dir.fill(a, b, c);
    const reading = await dir.openWith({}).getContent(a.hash, { signal });
    await rm(join(dir.path, '.clipctl/v1/leases'), { recursive: true });
    await rm(join(dir.path, a.hash));
    expect((await drain(reading)).hash).toBe(a.hash);
  });
});
