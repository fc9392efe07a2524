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
  const facts = tiers.flatMap(({ tier, layers, hits, hitBytes, bytes, checkedBytes }, at): Fact[] => [
    [at === 0 ? 'verified' : '', tier],
    [
      '',
      `${hits} of ${layers} layers, ${formatSize(hitBytes)} of ${formatSize(bytes)} (${share(hits < layers, hitBytes, bytes)}), ${formatSize(checkedBytes)} compared (${mode})`,
    ],
  ]);
  return renderFacts(facts, surface);
}

/** All is 100 %, and only all is: a missing layer may be empty. */
function share(isLacking: boolean, hitBytes: number, bytes: number): string {
  return isLacking && hitBytes >= bytes ? '99%' : formatPercent(hitBytes, bytes);
}
