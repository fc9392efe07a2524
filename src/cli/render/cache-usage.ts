import type { CacheUsageResult } from '../../lib/operations/cache-results.ts';
import { count, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { formatDay } from './last-used.ts';
import { type Column, renderTable } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'image', flexible: true },
  { title: 'warm', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'its own', align: 'right' },
  { title: 'last used' },
];

/** What takes the space, and for which images. */
export function renderUsage(result: CacheUsageResult, surface: Surface): string {
  const { layers, unnamed, foreign, maxCacheBytes, freeBytes, minFreeBytes } = result;
  const facts: Fact[] = [
    ['cache', result.path],
    ['used', `${formatSize(result.ownBytes)}${maxCacheBytes === undefined ? '' : ` of ${formatSize(maxCacheBytes)}`}`],
    ['layers', `${count(layers.count, 'layer')}, ${formatSize(layers.diskBytes)}`],
    ['state', `records and indexes ${formatSize(result.stateBytes)}, transfers ${formatSize(result.ingestBytes)}`],
    ...(foreign.files === 0 ? [] : [foreignFact(foreign)]),
    ...(freeBytes === undefined
      ? []
      : [['free', `${formatSize(freeBytes)}, at least ${formatSize(minFreeBytes)} stay free`] as Fact]),
  ];
  const rows = result.images.map((image) => [
    `${image.pinned ? '(pinned) ' : ''}${image.image}${surface.verbose ? ` ${image.platform}` : ''}`,
    `${image.warmLayers}/${image.layers}`,
    formatSize(image.diskBytes),
    formatSize(image.uniqueBytes),
    formatDay(image.lastUsed),
  ]);
  if (unnamed.layers > 0) rows.push([`(no image: ${count(unnamed.layers, 'layer')})`, '', formatSize(unnamed.diskBytes), '', '']);
  const head = renderFacts(facts, surface);
  return rows.length === 0 ? head : `${head}\n\n${renderTable(COLUMNS, rows, surface)}`;
}

function foreignFact({ files, diskBytes }: CacheUsageResult['foreign']): Fact {
  return ['foreign', `${count(files, 'file')} of others, ${formatSize(diskBytes)}: left alone`];
}
