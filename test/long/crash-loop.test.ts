/**
 * RELIABILITY §2 row 1: 200 seeded points (`CLIPCTL_CRASH_POINTS`, of which `CLIPCTL_CRASH_SEED` is the first) over images
 * of the row's sizes (times `CLIPCTL_CRASH_SCALE`). The short form is test/race/crash-loop.test.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { CRASH_KINDS, serveCrashImages, type CrashImages, type CrashKind } from '../race/crash-images.ts';
import { expectResumed, type CrashFigures } from '../race/expect-resumed.ts';

const POINTS = Number(process.env['CLIPCTL_CRASH_POINTS'] ?? 200);
const FIRST_SEED = Number(process.env['CLIPCTL_CRASH_SEED'] ?? 1000);
const SCALE = Number(process.env['CLIPCTL_CRASH_SCALE'] ?? 1);
const PER_KIND = Math.ceil(POINTS / CRASH_KINDS.length);
const TIMEOUT_MS = PER_KIND * 120_000;

let home: string;
let images: CrashImages;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-crash-images-'));
  images = await serveCrashImages(home, SCALE);
}, 600_000);
afterAll(async () => {
  await images.close();
  await rm(home, { recursive: true, force: true });
});

describe.skipIf(process.arch !== 'x64' || !canTrace())('§2 row 1', () => {
  it.each(CRASH_KINDS.map((kind, at) => [kind, FIRST_SEED + at * PER_KIND] as const))(
    `%s: ${PER_KIND} kills of a warm from point %i on: 0 wrong, at most 2 MiB fetched again a layer under way, nothing left`,
    async (kind, firstSeed) => {
      const { figures, failures } = await crashAll(kind, firstSeed);
      const mostServedTwice = Math.max(0, ...figures.map((each) => each.mostServedTwice));
      const mostLost = Math.max(0, ...figures.map((each) => each.mostLost));
      const inCalls = figures.filter(({ point }) => point.kind === 'call').length;
      process.stderr.write(
        `${JSON.stringify({ kind, firstSeed, points: figures.length, inCalls, mostServedTwice, mostLost })}\n`,
      );
      expect(failures).toEqual([]);
      expect(figures.length).toBe(PER_KIND);
    },
    TIMEOUT_MS,
  );
});

/** A point that fails does not end the run. */
async function crashAll(kind: CrashKind, firstSeed: number): Promise<{ figures: CrashFigures[]; failures: string[] }> {
  const figures: CrashFigures[] = [];
  const failures: string[] = [];
  for (let seed = firstSeed; seed < firstSeed + PER_KIND; seed += 1) {
    try {
      figures.push(await expectResumed(images.cases[kind], seed));
    } catch (error) {
      failures.push(`${seed}: ${error instanceof Error ? error.message : String(error)}`);
      process.stderr.write(`${kind} ${failures.at(-1) ?? ''}\n`);
    }
  }
  return { figures, failures };
}
