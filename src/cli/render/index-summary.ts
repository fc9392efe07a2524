import { shortDigest } from '../../lib/oci/digest.ts';
import type { IndexedLayer, IndexedPlatform, IndexResult } from '../../lib/operations/results.ts';
import { escapeText } from '../escape.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { renderMemory } from './memory.ts';
import { type Column, renderTable } from './table.ts';

/** Which indexes were written, from which layers, and what that took. */
export function renderIndex(result: IndexResult, surface: Surface): string {
  const written = count(result.platforms.length, 'index', 'indexes');
  const end = `${surface.style.green('wrote')} ${written} in ${formatDuration(result.durationMs)}${renderMemory(result)}`;
  return [...result.platforms.map((platform) => renderPlatform(result.image, platform, surface)), end].join('\n\n');
}

function renderPlatform(image: string, platform: IndexedPlatform, surface: Surface): string {
  const facts: Fact[] = [
    ['index', `${platform.output} (${formatSize(platform.indexBytes)}, ${count(platform.entries, 'entry', 'entries')})`],
    ['image', `${image} ${platform.platform}`],
    ['manifest', platform.manifestDigest],
  ];
  const stored = new Set(platform.layers.flatMap((layer) => layer.stored ?? []));
  const sections = [renderFacts(facts, surface)];
  if (platform.layers.length > 0) sections.push(renderLayers(platform.layers, surface));
  const resumed = platform.layers.filter((layer) => layer.verifiedBy === 'diffId').length;
  if (resumed > 0) sections.push(`verified by diffID alone: ${count(resumed, 'layer')}`);
  if (stored.size > 0)
    sections.push([...stored].map((url) => `sent to ${escapeText(url, { ascii: !surface.unicode })}`).join('\n'));
  return sections.join('\n');
}

const COLUMNS: readonly Column[] = [
  { title: 'digest' },
  { title: 'compressed', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'entries', align: 'right' },
  { title: 'checkpoints', align: 'right' },
  { title: 'from' },
];

function renderLayers(layers: readonly IndexedLayer[], surface: Surface): string {
  const rows = layers.map((layer) => [
    shortDigest(layer.digest),
    formatSize(layer.compressedBytes),
    formatSize(layer.uncompressedBytes),
    String(layer.entries),
    String(layer.checkpoints),
    layer.source,
  ]);
  return renderTable(COLUMNS, rows, surface);
}
