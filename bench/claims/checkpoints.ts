/** What it costs to note a checkpoint every 4 MiB, and every 1 MiB, while inflating. */
import { ratio, type BenchContext, type Claim, type Heat } from '../claim.ts';
import { packTar } from '../data/pack.ts';
import { libTar, smallTar, type TarFile } from '../data/tars.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';

const MIB = 1024 * 1024;
const OFF = 'no checkpoints';
const ON = 'every 4 MiB';

export const checkpoints: Claim = {
  name: 'checkpoints',
  title: 'What checkpoints cost',
  measure: async (context) => {
    const heats = [
      await heatOf(context, 'libraries, gzip -6', await libTar(context.data)),
      await heatOf(context, 'small files, gzip -6', await smallTar(context.data)),
    ];
    const targets = heats.map(({ title, standings }) => ({
      text: `${title}: CPU with checkpoints every 4 MiB at most 1.02 × without`,
      kind: 'at most' as const,
      bound: 1.02,
      value: ratio(standings, 'cpuMs', { of: ON, by: OFF }),
    }));
    return { heats, targets, plots: [] };
  },
};

async function heatOf(context: BenchContext, title: string, tar: TarFile): Promise<Heat> {
  const file = await packTar(tar, { ...context, packer: 'gzip' });
  if (file === undefined) throw new Error('gzip is always at hand');
  const enter = (name: string, decoder: string) => ({
    name,
    isOurs: true,
    command: () => context.program('inflate', `clipctl:${decoder}`, file.path),
  });
  const contestants = [
    enter(OFF, '0'),
    enter(ON, `${4 * MIB}`),
    enter('every 4 MiB, windows not packed', `${4 * MIB}:plain`),
    enter('every 1 MiB', `${MIB}`),
  ];
  // Differences of one percent need more runs than ratios of two.
  const standings = await interleave(contestants, { runs: context.runs * 2, onRun: context.tell });
  requireOutput(standings, file.bytes);
  return { title, data: file.description, outputBytes: file.bytes, standings, missing: [] };
}
