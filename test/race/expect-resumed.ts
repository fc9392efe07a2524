/** What must hold after a kill -9, whatever the point. */
import { expect } from 'vitest';
import { killPoint } from './crash-images.ts';
import { crash, type CrashCase, type CrashReport, type KillPoint } from './crash-loop.ts';

const MIB = 1024 * 1024;
/** A checkpoint inside of a byte makes the runs on both sides fetch it. */
const SHARED_BYTES = 64;

export interface CrashFigures {
  readonly point: KillPoint;
  /** The most that was served twice of one layer. */
  readonly mostServedTwice: number;
  /** The most that a process had taken of one layer, and the next one asked for again. */
  readonly mostLost: number;
  readonly finished: number;
}

export async function expectResumed(target: CrashCase, seed: number): Promise<CrashFigures> {
  const [point, report] = await crashSomewhere(target, killPoint(seed, target));
  const about = JSON.stringify({ point, report });
  expect(report.wrong, about).toEqual([]);
  expect(report.nextCode, about).toBe(0);
  expect(report.nextLayers, about).toBe(target.layers.length);
  expect(report.temporariesOfOneLayer, about).toBeLessThanOrEqual(1);
  expect(report.leftovers, about).toEqual([]);
  for (const layer of report.layers) {
    if (layer.wasFinished) expect(layer.servedAfterwards, about).toBe(0);
    expect(layer.lost, about).toBeLessThanOrEqual(2 * MIB + SHARED_BYTES);
  }
  const mostServedTwice = Math.max(...report.layers.map(({ servedTwice }) => servedTwice));
  const mostLost = Math.max(...report.layers.map(({ lost }) => lost));
  return { point, mostServedTwice, mostLost, finished: report.layers.filter(({ wasFinished }) => wasFinished).length };
}

/** Where there are not so many calls of a kind, at an earlier one; where it ends before the byte, half-way. */
async function crashSomewhere(target: CrashCase, point: KillPoint): Promise<readonly [KillPoint, CrashReport]> {
  const report = await crash(target, point);
  if (report.isKilled) return [point, report];
  // Never at a byte instead: every warm makes each of the calls, and must be seen killed there.
  if (point.kind === 'call' && point.nth === 1) throw new Error(`no ${point.call} of the warm was stopped at`);
  if (point.kind === 'call') return crashSomewhere(target, { ...point, nth: Math.floor(point.nth / 2) });
  return crashSomewhere(target, { kind: 'bytes', bytes: Math.floor(point.bytes / 2) });
}
