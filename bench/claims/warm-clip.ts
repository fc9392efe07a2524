/** `clipctl warm` of a `.clip`, whose layer is fetched by ranges and inflated in spans on all cores, beside the same without an index. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ratio, type BenchContext, type Claim, type Heat } from '../claim.ts';
import { oneLayerImage, type MadeImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';
import { warmCommand } from './warm.ts';

const INDEXED = 'clipctl warm FILE.clip';
const PLAIN = 'clipctl warm REFERENCE';

export const warmClip: Claim = {
  name: 'warm-clip',
  title: 'Warming one layer with its index and without',
  measure: async (context) => {
    const heat = await warmHeat(context, await oneLayerImage(context));
    const { title, standings } = heat;
    const targets = [
      {
        text: `${title}: no more time than without the index`,
        kind: 'at most' as const,
        bound: 1,
        value: ratio(standings, 'wallMs', { of: INDEXED, by: PLAIN }),
      },
      {
        text: `${title}: CPU of the whole process at most 1.1 × that without`,
        kind: 'at most' as const,
        bound: 1.1,
        value: ratio(standings, 'processCpuMs', { of: INDEXED, by: PLAIN }),
      },
    ];
    return { heats: [heat], targets, plots: [] };
  },
};

async function warmHeat(context: BenchContext, image: MadeImage): Promise<Heat> {
  const folder = await mkdtemp(join(tmpdir(), 'clipctl-bench-clip-'));
  try {
    return await withRegistry(context, [image], async ({ referenceOf }) => {
      const reference = referenceOf(image);
      const clip = join(folder, 'image.clip');
      // The address of the registry is in the index, so each registry needs one of its own.
      await run(context.clipctl('index', reference, '-o', clip, '--cache-dir', join(folder, 'cache')));
      const contestants = [
        { name: INDEXED, isOurs: true, command: (own: string) => warmCommand(context, clip, own) },
        { name: PLAIN, isOurs: true, command: (own: string) => warmCommand(context, reference, own) },
      ];
      const standings = await interleave(contestants, { runs: context.runs, onRun: context.tell });
      requireOutput(standings, image.bytes);
      return { title: 'one layer of 800 MB', data: image.description, outputBytes: image.bytes, standings, missing: [] };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run([command = '', ...args]: readonly string[]): Promise<void> {
  await promisify(execFile)(command, args);
}
