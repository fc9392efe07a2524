/** The whole `clipctl warm` beside the same work written with Node's streams. */
import { join } from 'node:path';
import { ratio, throughputPlot, type BenchContext, type Claim, type Heat } from '../claim.ts';
import { oneLayerImage, twoLayerImage, type MadeImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';

const OURS = 'clipctl warm';
const STREAMS = 'fetch, createGunzip and node streams, defaults';

export const warm: Claim = {
  name: 'warm',
  title: 'Warming a disk cache from a registry',
  measure: async (context) => {
    const heats = [
      await warmHeat(context, 'one layer of 800 MB', await oneLayerImage(context)),
      await warmHeat(context, 'two layers of 400 MB', await twoLayerImage(context)),
    ];
    const targets = heats.map(({ title, standings }) => ({
      text: `${title}: CPU of the whole process at most 0.52 × ${STREAMS}`,
      kind: 'at most' as const,
      bound: 0.52,
      value: ratio(standings, 'processCpuMs', { of: OURS, by: STREAMS }),
    }));
    return { heats, targets, plots: heats.slice(0, 1).map((heat) => throughputPlot(heat, 'cpuMs')) };
  },
};

function warmHeat(context: BenchContext, title: string, image: MadeImage): Promise<Heat> {
  return withRegistry(context, [image], async ({ referenceOf }) => {
    const reference = referenceOf(image);
    const contestants = [
      { name: OURS, isOurs: true, command: (folder: string) => warmCommand(context, reference, folder) },
      { name: STREAMS, command: (folder: string) => context.program('node-streams-pipeline', reference, join(folder, 'cache')) },
    ];
    const standings = await interleave(contestants, { runs: context.runs, onRun: context.tell });
    requireOutput(standings, image.bytes);
    return { title, data: image.description, outputBytes: image.bytes, standings, missing: [] };
  });
}

/** The command that warms a cache in `folder`. */
export function warmCommand({ clipctl }: BenchContext, reference: string, folder: string): readonly string[] {
  return clipctl('warm', reference, '--cache-dir', join(folder, 'cache'), '--json');
}
