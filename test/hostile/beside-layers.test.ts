/**
 * What lies beside a layer while it comes, to go on with should its process be killed: it is asked for before it comes, so the
 * free-space floor holds, and it is given up where a layer needs the room. RELIABILITY §2 row 11.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount } from '../cache/cache-process.ts';
import { seededContent } from '../cache/seeded-content.ts';
import type { MadeLayer } from '../servers/make-layout.ts';
import { warmOnSmallDisk } from './small-disk.ts';

const MIB = 1024 * 1024;
/** Directories, journals, locks and leases. */
const SLACK_BYTES = MIB;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-beside-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function noise(seed: number, bytes: number): Buffer {
  return Buffer.from(seededContent(seed, bytes).slice(0, bytes));
}

/** Compresses to its first half. */
function halfNoise(seed: number, bytes: number): MadeLayer {
  return { files: { 'a.bin': Buffer.concat([noise(seed, bytes / 2), Buffer.alloc(bytes / 2, seed)]) }, compression: 'zstd' };
}

describe.skipIf(!canMount)('the free-space floor holds', () => {
  it('while zstd layers come whose compressed bytes have no room beside them, and the layers come', async () => {
    const layers = [halfNoise(1, 56 * MIB), halfNoise(2, 56 * MIB)];
    const found = await warmOnSmallDisk(layers, { directory, sizeMib: 200, floorMib: 64, bytesPerSecond: 20 * MIB });
    expect(found.codes, found.said).toEqual([0, 0]);
    expect(found.kept).toBe(2);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(64 * MIB - SLACK_BYTES);
    expect(found.beside).toContain('spool');
  });

  it('while a zstd layer comes that fits and its compressed bytes do not: it comes without them', async () => {
    const layer: MadeLayer = { files: { 'a.bin': noise(1, 72 * MIB) }, compression: 'zstd' };
    const found = await warmOnSmallDisk([layer], { directory, sizeMib: 200, floorMib: 64, bytesPerSecond: 40 * MIB });
    expect(found.codes, found.said).toEqual([0]);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(64 * MIB - SLACK_BYTES);
  });

  it('while a gzip layer comes of which much is loaded before its turn, and the layer comes', async () => {
    const layer: MadeLayer = { files: { 'a.bin': noise(1, 28 * MIB) }, compression: 'gzip' };
    const found = await warmOnSmallDisk([layer], { directory, sizeMib: 1024, floorMib: 994, bytesPerSecond: 4 * MIB });
    expect(found.codes, found.said).toEqual([0]);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(994 * MIB - SLACK_BYTES);
  });
});

describe.skipIf(!canMount)('what an earlier transfer has left of a zstd layer', () => {
  it('is given up for the layer of another process before it is read, and both come', async () => {
    const plain: MadeLayer = { files: { 'a.bin': noise(2, 72 * MIB) }, compression: 'none' };
    const work = (name: string): string => join(directory, name);
    const found = await warmOnSmallDisk([halfNoise(1, 56 * MIB), plain], {
      ...{ directory, sizeMib: 200, floorMib: 64, bytesPerSecond: 20 * MIB },
      // The rest of the first is asked for before what is left of it is read.
      faults: ({ path, headers }) => {
        if (headers['range'] === undefined || !path.includes('/image-0/')) return undefined;
        if (!existsSync(work('stopped')) || existsSync(work('code-1'))) return undefined;
        writeFileSync(work('asked'), '');
        return { status: 503, headers: { 'retry-after': '1' } };
      },
      script: `
        start 0; while [ $(sizeOf spool) -lt 20000000 ]; do sleep 0.02; done; kill -9 $begun; wait $begun
        touch "$work/stopped"; warm 0 & first=$!
        while [ ! -e "$work/asked" ]; do sleep 0.02; done
        warm 1; [ $(sizeOf spool) = 0 ] && touch "$work/given-up"; wait $first`,
    });
    expect(found.codes, found.said).toEqual([0, 0]);
    expect(existsSync(work('given-up'))).toBe(true);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(64 * MIB - SLACK_BYTES);
  });
});
