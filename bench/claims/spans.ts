/** Starting at checkpoints: how fast one thread is span by span, and how much faster two are. */
import type { Claim, ClaimResult } from '../claim.ts';
import { packTar } from '../data/pack.ts';
import { libTar } from '../data/tars.ts';
import { interleave, requireOutput, type Standing } from '../measure/interleave.ts';

const ONE = 'spans of 4 MiB, 1 worker';
const TWO = 'spans of 4 MiB, 2 workers';

export const spans: Claim = {
  name: 'spans',
  title: 'Inflating from checkpoints',
  measure: async (context) => {
    const file = await packTar(await libTar(context.data), { ...context, packer: 'gzip' });
    if (file === undefined) throw new Error('gzip is always at hand');
    const enter = (name: string, workers: number) => ({
      name,
      isOurs: true,
      command: () => context.program('spans', file.path, String(workers)),
    });
    const { runs, tell } = context;
    const [one, two] = await interleave([enter(ONE, 1), enter(TWO, 2)], { runs, onRun: tell });
    return resultOf({ one: one!, two: two!, data: file.description, bytes: file.bytes });
  },
};

interface Measured {
  readonly one: Standing;
  readonly two: Standing;
  readonly data: string;
  readonly bytes: number;
}

function resultOf({ one, two, data, bytes }: Measured): ClaimResult {
  requireOutput([one, two], bytes);
  const whole = wholeOf([one, two]);
  const title = 'from the start, and span by span';
  const heat = { title, data, outputBytes: bytes, standings: [whole, one, two], missing: [] };
  const targets = [
    {
      text: 'spans of 4 MiB at least 0.85 × the speed of one run from the start, CPU',
      kind: 'at least' as const,
      bound: 0.85,
      value: whole.cpuMs / one.cpuMs,
    },
    {
      text: 'two workers at least 1.8 × one, wall',
      kind: 'at least' as const,
      bound: 1.8,
      value: one.wallMs / two.wallMs,
    },
  ];
  return { heats: [heat], targets, plots: [] };
}

/** The program times the run from the start too, in the same process. */
function wholeOf(standings: readonly Standing[]): Standing {
  const samples = standings
    .flatMap((standing) => standing.samples)
    .map((sample) => ({
      ...sample,
      cpuMs: Number(sample.report['wholeCpuMs']),
      wallMs: Number(sample.report['wholeWallMs']),
    }));
  return {
    name: 'from the start',
    isOurs: true,
    samples,
    cpuMs: Math.min(...samples.map(({ cpuMs }) => cpuMs)),
    wallMs: Math.min(...samples.map(({ wallMs }) => wallMs)),
    processCpuMs: Math.min(...samples.map(({ processCpuMs }) => processCpuMs)),
    peakRssBytes: undefined,
  };
}
