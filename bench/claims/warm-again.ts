/** `clipctl warm` of an image whose layers are all there: a large cache is recognised by its records. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSparseCache } from '../../test/cache/sparse-cache.ts';
import { standingOf, type BenchContext, type Claim, type ClaimResult } from '../claim.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, type Standing } from '../measure/interleave.ts';

const WARM = 'clipctl warm, all layers there';
const SIZE = { layers: 33, bytes: 17 * 1024 ** 3 };
const MOST_MS = 300;

export const warmAgain: Claim = {
  name: 'warm-again',
  title: 'Warming what is warm',
  measure: async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-bench-again-'));
    try {
      return await measureIn(context, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function measureIn(context: BenchContext, folder: string): Promise<ClaimResult> {
  const cacheDir = join(folder, 'cache');
  const { layout } = await makeSparseCache(cacheDir, join(folder, 'image'), SIZE);
  const image = { repository: 'bench/again', layout };
  return withRegistry(context, [image], async ({ referenceOf }) => {
    const reference = referenceOf(image);
    const contestants = [
      { name: WARM, isOurs: true, command: () => context.clipctl('warm', reference, '--cache-dir', cacheDir, '--json') },
      { name: 'clipctl --version', isOurs: true, command: () => context.clipctl('--version').slice(0, 3), printsData: true },
      { name: 'node -e 0', command: () => [process.execPath, '-e', '0'] },
    ];
    const standings = await interleave(contestants, { runs: context.runs, onRun: context.tell });
    const title = '33 layers, 17 GiB';
    const text = `${title}: at most ${MOST_MS} ms from start to end, the median`;
    const targets = [{ text, kind: 'at most' as const, bound: MOST_MS, value: medianMs(standingOf(standings, WARM)) }];
    return { heats: [{ title, data: 'sparse files with records', standings, missing: [] }], targets, plots: [] };
  });
}

function medianMs({ samples }: Standing): number {
  const sorted = samples.map(({ wallMs }) => wallMs).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
