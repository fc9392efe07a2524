import type { Contestant, Sample } from './contestant.ts';
import { runOnce } from './run-process.ts';

/** What all runs of one contestant came to. Time is the least seen, as everything else on the machine only adds to it. */
export interface Standing {
  readonly name: string;
  readonly isOurs: boolean;
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Of the whole process, start included. */
  readonly processCpuMs: number;
  /** The most of all runs. */
  readonly peakRssBytes: number | undefined;
  readonly samples: readonly Sample[];
}

/**
 * Runs all contestants once, then all once again, `runs` times: what else happens on the machine meets all of them. Each
 * round starts with another one.
 * @throws Error when one fails, or when two disagree about the number of decompressed bytes
 */
export async function interleave(
  contestants: readonly Contestant[],
  { runs, onRun }: { readonly runs: number; readonly onRun: (done: string) => void },
): Promise<readonly Standing[]> {
  const samples = contestants.map(() => [] as Sample[]);
  for (let round = 0; round < runs; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (turn + round) % contestants.length;
      const contestant = contestants[index]!;
      onRun(`round ${round + 1} of ${runs}: ${contestant.name}`);
      samples[index]!.push(await runOnce(contestant));
    }
  }
  return contestants.map((contestant, index) => standingOf(contestant, samples[index]!));
}

function standingOf({ name, isOurs = false }: Contestant, samples: readonly Sample[]): Standing {
  const least = (figure: (sample: Sample) => number): number => Math.min(...samples.map(figure));
  const peaks = samples.flatMap(({ peakRssBytes }) => (peakRssBytes === undefined ? [] : [peakRssBytes]));
  return {
    name,
    isOurs,
    cpuMs: least(({ cpuMs }) => cpuMs),
    wallMs: least(({ wallMs }) => wallMs),
    processCpuMs: least(({ processCpuMs }) => processCpuMs),
    peakRssBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
    samples,
  };
}

/** @throws Error when a contestant gave another number of decompressed bytes than the data has */
export function requireOutput(standings: readonly Standing[], expectedBytes: number): void {
  for (const { name, samples } of standings) {
    for (const { report } of samples) {
      if (report.outputBytes !== undefined && report.outputBytes !== expectedBytes) {
        throw new Error(`${name} gave ${report.outputBytes} bytes, not ${expectedBytes}`);
      }
    }
  }
}
