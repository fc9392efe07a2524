/** RELIABILITY §2 row 1 with small images and few points: test/long/crash-loop.test.ts has 200. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { CRASH_KINDS, serveCrashImages, type CrashImages } from './crash-images.ts';
import { expectResumed } from './expect-resumed.ts';

const POINTS = [0, 1, 2, 3, 4];
const TIMEOUT_MS = 120_000;

let home: string;
let images: CrashImages;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-crash-images-'));
  images = await serveCrashImages(home, 1 / 8);
}, TIMEOUT_MS);
afterAll(async () => {
  await images.close();
  await rm(home, { recursive: true, force: true });
});

describe.skipIf(process.arch !== 'x64' || !canTrace())('§2 row 1: a warm that is killed with -9', () => {
  it.each(CRASH_KINDS.flatMap((kind, at) => POINTS.map((point) => [kind, 100 * at + point] as const)))(
    'of %s at point %i: nothing wrong, 2 MiB fetched again a layer under way at most, nothing left by the next run',
    async (kind, seed) => {
      await expectResumed(images.cases[kind], seed);
    },
    TIMEOUT_MS,
  );
});
