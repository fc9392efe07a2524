/** bench/results.json: every claim that was measured, when, on which machine. A run of some claims keeps the others. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { holds, type Claim, type ClaimResult, type Heat } from '../claim.ts';
import type { Report } from '../measure/contestant.ts';
import type { Machine } from '../measure/machine.ts';
import type { Standing } from '../measure/interleave.ts';

export interface MeasuredClaim {
  readonly claim: Claim;
  readonly result: ClaimResult;
  readonly machine: Machine;
  readonly runs: number;
  /** Load average before and after. */
  readonly load: readonly [number, number];
}

export async function writeResults(path: string, { claim, result, machine, runs, load }: MeasuredClaim): Promise<void> {
  const present = existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>) : {};
  const measured = {
    title: claim.title,
    date: new Date().toISOString(),
    machine,
    load,
    runs,
    heats: result.heats.map(plainHeat),
    targets: result.targets.map((target) => ({ ...target, holds: holds(target) })),
  };
  await writeFile(path, `${JSON.stringify({ ...present, [claim.name]: measured }, undefined, 2)}\n`);
}

function plainHeat({ standings, ...heat }: Heat): object {
  return { ...heat, standings: standings.map(plainStanding) };
}

/** All times; other figures of the program are the same each run. */
function plainStanding({ samples, cpuMs, wallMs, processCpuMs, ...standing }: Standing): object {
  return {
    ...standing,
    cpuMs: round(cpuMs),
    wallMs: round(wallMs),
    processCpuMs: round(processCpuMs),
    allCpuMs: samples.map((sample) => round(sample.cpuMs)),
    allWallMs: samples.map((sample) => round(sample.wallMs)),
    report: otherFigures(samples[0]?.report ?? {}),
  };
}

function otherFigures({ cpuMs: _cpuMs, wallMs: _wallMs, ...report }: Report): object {
  return report;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
