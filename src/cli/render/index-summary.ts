import { shortDigest } from '../../lib/oci/digest.ts';
import type { IndexedLayer, IndexedPlatform, IndexResult } from '../../lib/operations/results.ts';
import { escapeText } from '../escape.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { renderMemory } from './memory.ts';
import { type Column, renderTable } from './table.ts';

export interface IndexView {
  /** The layers were asked to stay in the disk cache. */
  readonly kept: boolean;
}

/** Which indexes were written, from which layers, and what that took. */
export function renderIndex(result: IndexResult, view: IndexView, surface: Surface): string {
  const written = count(result.platforms.length, 'index', 'indexes');
  const end = `${surface.style.green('wrote')} ${written} in ${formatDuration(result.durationMs)}${renderMemory(result)}`;
  const sections = result.platforms.flatMap((platform) => [
    renderFacts(factsOf(result.image, platform), surface),
    renderLayers(platform.layers, surface),
    renderNotes(platform.layers, view, surface),
  ]);
  return [...sections, end].filter((section) => section !== '').join('\n\n');
}

function factsOf(image: string, platform: IndexedPlatform): readonly Fact[] {
  return [
    ['index', `${platform.output} (${formatSize(platform.indexBytes)}, ${count(platform.entries, 'entry', 'entries')})`],
    ['image', image],
    ['platform', platform.platform],
    ['manifest', platform.manifestDigest],
  ];
}

function renderLayers(layers: readonly IndexedLayer[], surface: Surface): string {
  if (layers.length === 0) return '';
  // Every layer may be entered at its start; a column that says no more is left out.
  const showCheckpoints = layers.some((layer) => layer.checkpoints > 1);
  const columns: Column[] = [
    { title: 'digest' },
    { title: 'compressed', align: 'right' },
    { title: 'size', align: 'right' },
    { title: 'entries', align: 'right' },
    ...(showCheckpoints ? [{ title: 'checkpoints', align: 'right' } as const] : []),
    { title: 'from' },
  ];
  const rows = layers.map((layer) => [
    shortDigest(layer.digest),
    formatSize(layer.compressedBytes),
    formatSize(layer.uncompressedBytes),
    String(layer.entries),
    ...(showCheckpoints ? [String(layer.checkpoints)] : []),
    layer.source,
  ]);
  return renderTable(columns, rows, surface);
}

function renderNotes(layers: readonly IndexedLayer[], view: IndexView, surface: Surface): string {
  const byDiffId = layers.filter((layer) => layer.verifiedBy === 'diffId').length;
  const stored = new Set(layers.flatMap((layer) => layer.stored ?? []));
  return [
    ...(byDiffId === 0 ? [] : [`verified by diffID alone: ${count(byDiffId, 'layer')}`]),
    ...(view.kept && layers.length > 0 ? ['kept in the disk cache'] : []),
    ...[...stored].map((url) => `sent to ${escapeText(url, { ascii: !surface.unicode })}`),
  ].join('\n');
}
