/** What a benchmark is: a claim of ours, and a script that measures it beside everybody else who does that work. */
import type { Missing } from './measure/contestant.ts';
import type { Standing } from './measure/interleave.ts';
import type { DataFolder } from './data/data-folder.ts';
import type { Peers } from './peers/peers.ts';

export interface BenchContext {
  /** How often each contestant runs. */
  readonly runs: number;
  readonly data: DataFolder;
  readonly peers: Peers;
  /** `node` with a program of bench/programs or bench/peers and its arguments. */
  readonly program: (name: string, ...args: readonly string[]) => readonly string[];
  /** `node bin/run.js` with these arguments. */
  readonly clipctl: (...args: readonly string[]) => readonly string[];
  /** What is being done, for who waits. */
  readonly tell: (line: string) => void;
}

/** What must hold, in figures. */
export interface Target {
  readonly text: string;
  readonly kind: 'at least' | 'at most';
  readonly bound: number;
  /** Undefined when a peer that it compares with is missing. */
  readonly value: number | undefined;
}

/** Contestants on one data set. */
export interface Heat {
  readonly title: string;
  /** What they worked on: from where, how made, how large. */
  readonly data: string;
  /** Decompressed; undefined when throughput is no measure. */
  readonly outputBytes?: number;
  readonly standings: readonly Standing[];
  readonly missing: readonly Missing[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly isOurs: boolean;
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface ClaimResult {
  readonly heats: readonly Heat[];
  readonly targets: readonly Target[];
  readonly plots: readonly Plot[];
}

export interface Claim {
  /** `npm run bench NAME`; also the name of its plots. */
  readonly name: string;
  readonly title: string;
  readonly measure: (context: BenchContext) => Promise<ClaimResult>;
}

/** The standing of a contestant by name. @throws Error when there is none: a slip of the script */
export function standingOf(standings: readonly Standing[], name: string): Standing {
  const found = standings.find((standing) => standing.name === name);
  if (found === undefined) throw new Error(`nobody is called ${name}`);
  return found;
}

/** `figure` of one contestant by that of another; undefined when the other is missing on this machine. */
export function ratio(
  standings: readonly Standing[],
  figure: 'cpuMs' | 'wallMs' | 'processCpuMs',
  { of, by }: { readonly of: string; readonly by: string },
): number | undefined {
  const divisor = standings.find((standing) => standing.name === by);
  return divisor === undefined ? undefined : standingOf(standings, of)[figure] / divisor[figure];
}

export function holds({ kind, bound, value }: Target): boolean | undefined {
  if (value === undefined) return undefined;
  return kind === 'at least' ? value >= bound : value <= bound;
}

/** Throughput as a plot: decompressed MB for each second of CPU or of time. */
export function throughputPlot(heat: Heat, figure: 'cpuMs' | 'wallMs'): Plot {
  const bytes = heat.outputBytes ?? 0;
  const unit = figure === 'cpuMs' ? 'MB decompressed per second of CPU' : 'MB decompressed per second';
  const bars = heat.standings.map((each) => ({
    name: each.name,
    isOurs: each.isOurs,
    value: bytes / 1000 / each[figure],
  }));
  return { title: heat.title, unit, bars: bars.sort((one, other) => other.value - one.value) };
}
