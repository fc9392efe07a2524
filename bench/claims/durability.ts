/** What it costs that a layer outlives a power loss: `clipctl warm` with every flush, beside the same without any. */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchContext, Claim, Heat } from '../claim.ts';
import { gibImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput, type Standing } from '../measure/interleave.ts';

const FULL = 'clipctl warm';
const NONE = 'clipctl warm --durability none';
const MOST = 1.05;

export const durability: Claim = {
  name: 'durability',
  title: 'Warming so that a power loss does no harm',
  measure: async (context) => {
    const heat = await heatOf(context);
    const [full, none] = heat.standings as [Standing, Standing];
    const text = `${heat.title}: at most ${MOST} × the time of --durability none, the median of the pairs`;
    return { heats: [heat], targets: [{ text, kind: 'at most', bound: MOST, value: medianRatio(full, none) }], plots: [] };
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

/** Runs that stood side by side are compared: what a disk can do changes by the minute. */
function medianRatio(one: Standing, other: Standing): number {
  const ratios = one.samples.map(({ wallMs }, at) => wallMs / (other.samples[at]?.wallMs ?? NaN)).toSorted((a, b) => a - b);
  return ratios[Math.floor(ratios.length / 2)] ?? NaN;
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
