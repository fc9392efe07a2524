import { shortDigest } from '../../lib/oci/digest.ts';
import type { CacheListResult, ListedLayer } from '../../lib/operations/cache-results.ts';
import { formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { formatDay } from './last-used.ts';
import { type Column, renderTable } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'diffID' },
  { title: 'state' },
  { title: 'size', align: 'right' },
  { title: 'last used' },
  { title: 'kept' },
  { title: 'images', flexible: true },
];

/** One line a layer; whole diffIDs with `-v`. */
export function renderCacheList({ path, layers }: CacheListResult, surface: Surface): string {
  if (layers.length === 0) return `no layers in ${path}`;
  const rows = layers.map((layer) => [
    surface.verbose ? layer.diffId : shortDigest(layer.diffId),
    layer.state,
    formatSize(layer.diskBytes),
    formatDay(layer.lastUsed),
    keptBy(layer),
    layer.images.join(' '),
  ]);
  return renderTable(COLUMNS, rows, surface);
}

function keptBy({ pinned, leased }: ListedLayer): string {
  return [...(pinned ? ['pinned'] : []), ...(leased ? ['in use'] : [])].join(', ') || '-';
}
