import type { RemoteFigures, Verification } from '../../lib/operations/results.ts';
import { formatPercent, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';

/** How a remote creates content, in words. */
export const CREATES: Readonly<Record<RemoteFigures['creates'], string>> = {
  conditional: 'in one step, when nobody else has (conditional)',
  'head-then-put': 'after a look (HEAD-then-PUT): two writers may both send',
};

/** What `--verify` found, tier by tier. */
export function renderVerification({ mode, tiers }: Verification, surface: Surface): string {
  const facts = tiers.flatMap(({ tier, hitBytes, bytes, checkedBytes }, at): Fact[] => [
    [at === 0 ? 'verified' : '', tier],
    [
      '',
      `${formatSize(hitBytes)} of ${formatSize(bytes)} there (${bytes === 0 ? '100%' : formatPercent(hitBytes, bytes)}), ${formatSize(checkedBytes)} compared (${mode})`,
    ],
  ]);
  return renderFacts(facts, surface);
}
