import { shortDigest } from '../../lib/oci/digest.ts';
import type { PrunedLayer, PruneResult } from '../../lib/operations/cache-results.ts';
import { count, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { formatDay } from './last-used.ts';
import { type Column, renderTable } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'diffID' },
  { title: 'size', align: 'right' },
  { title: 'last used' },
  { title: '' },
  { title: 'images', flexible: true },
];

/** What goes or went, what stays although it would have gone, and what that gains. */
export function renderPrune(result: PruneResult, surface: Surface): string {
  const { evicted, kept, freedBytes, ownBytes, dryRun } = result;
  if (evicted.length === 0 && kept.length === 0) return `nothing to evict: ${formatSize(ownBytes)} in ${result.path}`;
  const rows = [
    ...evicted.map((layer) => row(layer, dryRun ? 'would go' : 'evicted')),
    ...kept.map((layer) => row(layer, layer.reason)),
  ];
  const end =
    evicted.length === 0
      ? `nothing to evict: ${formatSize(ownBytes)} in ${result.path}`
      : dryRun
        ? `would evict ${count(evicted.length, 'layer')}, ${formatSize(freedBytes)} of ${formatSize(ownBytes)}`
        : `${surface.style.green('evicted')} ${count(evicted.length, 'layer')}, ${formatSize(freedBytes)}; ${formatSize(ownBytes)} are left`;
  return `${renderTable(COLUMNS, rows, surface)}\n\n${end}`;
}

function row({ diffId, diskBytes, lastUsed, images }: PrunedLayer, fate: string): string[] {
  return [shortDigest(diffId), formatSize(diskBytes), formatDay(lastUsed), fate, images.join(' ')];
}
