/** What it costs that a layer outlives a power loss: `clipctl warm` with every flush, beside the same without any. */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ratio, type BenchContext, type Claim, type Heat } from '../claim.ts';
import { gibImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';

const FULL = 'clipctl warm';
const NONE = 'clipctl warm --durability none';
const MOST = 1.05;

export const durability: Claim = {
  name: 'durability',
  title: 'Warming so that a power loss does no harm',
  measure: async (context) => {
    const heat = await heatOf(context);
    const targets = (['wallMs', 'processCpuMs'] as const).map((figure) => ({
      text: `${heat.title}: ${figure === 'wallMs' ? 'time' : 'CPU'} at most ${MOST} × that with --durability none`,
      kind: 'at most' as const,
      bound: MOST,
      value: ratio(heat.standings, figure, { of: FULL, by: NONE }),
    }));
    return { heats: [heat], targets, plots: [] };
  },
};

async function heatOf(context: BenchContext): Promise<Heat> {
  const image = await gibImage(context);
  return withRegistry(context, [image], async ({ referenceOf }) => {
    const warm = (folder: string, ...more: string[]): readonly string[] =>
      context.clipctl('warm', referenceOf(image), '--cache-dir', join(folder, 'cache'), '--json', ...more);
    const contestants = [
      { name: FULL, isOurs: true, command: (folder: string) => warm(folder) },
      { name: NONE, isOurs: true, command: (folder: string) => warm(folder, '--durability', 'none') },
    ];
    const standings = await interleave(contestants, { runs: context.runs, onRun: context.tell });
    requireOutput(standings, image.bytes);
    const data = `${image.description}; on ${describeDisk(tmpdir())}`;
    return { title: 'one layer of 1 GiB', data, outputBytes: image.bytes, standings, missing: [] };
  });
}

/** `/dev/vda (ext4)` */
function describeDisk(path: string): string {
  const [source = '?', type = '?'] = execFileSync('df', ['--output=source,fstype', path], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .at(-1)!
    .split(/\s+/);
  return `${source} (${type})`;
}
