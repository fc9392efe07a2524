import { shortDigest } from '../../lib/oci/digest.ts';
import type { RemoteFigures, ServedBy, WarmedImage, WarmedLayer, WarmResult } from '../../lib/operations/results.ts';
import { count, formatDuration, formatPercent, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { renderMemory } from './memory.ts';
import { type Column, renderTable } from './table.ts';
import { CREATES, renderVerification } from './verification.ts';

/** Nearest first. */
const TIERS: readonly ServedBy[] = ['disk', 'remote', 'registry', 'layout', 'archive'];

/** What is warm now and where, which tier served it, what that saved, how long it took. */
export function renderWarm(result: WarmResult, surface: Surface): string {
  const sections = result.images.map((image) => renderImage(image, surface));
  const layers = distinctLayers(result);
  if (layers.length > 0) sections.push(renderTiers(layers, surface));
  if (surface.verbose && result.remotes.length > 0) sections.push(renderRemotes(result.remotes, surface));
  if (result.verification !== undefined) sections.push(renderVerification(result.verification, surface));
  sections.push(renderEnd(result, layers, surface));
  return sections.join('\n\n');
}

function renderImage({ image, platform, manifestDigest, layers }: WarmedImage, surface: Surface): string {
  const bytes = layers.reduce((sum, layer) => sum + layer.uncompressedBytes, 0);
  const facts: Fact[] = [
    ['image', image],
    ['platform', platform],
    ...(manifestDigest === undefined ? [] : [['manifest', manifestDigest] as const]),
    ['warm', `disk: ${count(layers.length, 'layer')}, ${formatSize(bytes)}`],
    ...storedIn(layers).map(({ url, held }): Fact => ['', `${url}: ${held} of ${count(layers.length, 'layer')}`]),
  ];
  const head = renderFacts(facts, surface);
  return surface.verbose && layers.length > 0 ? `${head}\n\n${renderLayers(layers, surface)}` : head;
}

const LAYER_COLUMNS: readonly Column[] = [
  { title: 'digest' },
  { title: 'size', align: 'right' },
  { title: 'served by' },
  { title: 'downloaded', align: 'right' },
];

function renderLayers(layers: readonly WarmedLayer[], surface: Surface): string {
  const rows = layers.map((layer) => [
    shortDigest(layer.digest),
    formatSize(layer.uncompressedBytes),
    layer.servedBy,
    formatSize(layer.downloadedBytes),
  ]);
  return renderTable(LAYER_COLUMNS, rows, surface);
}

const TIER_COLUMNS: readonly Column[] = [
  { title: 'served by' },
  { title: 'layers', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'downloaded', align: 'right' },
];

function renderTiers(layers: readonly WarmedLayer[], surface: Surface): string {
  const rows = TIERS.flatMap((tier) => {
    const served = layers.filter((layer) => layer.servedBy === tier);
    if (served.length === 0) return [];
    return [
      [tier, String(served.length), formatSize(sumOf(served, 'uncompressedBytes')), formatSize(sumOf(served, 'downloadedBytes'))],
    ];
  });
  return renderTable(TIER_COLUMNS, rows, surface);
}

/** What each remote did, and how it creates content. */
function renderRemotes(remotes: readonly RemoteFigures[], surface: Surface): string {
  return remotes
    .map((remote) => {
      const facts: Fact[] = [
        ['remote', remote.url],
        ['read', `${remote.hits} hits, ${remote.misses} misses, ${remote.corrupt} wrong, ${remote.failures} failures`],
        ['filled', `${remote.stored} sent, ${remote.skipped} there already, ${remote.repaired} repaired`],
        ['creates', CREATES[remote.creates]],
      ];
      return renderFacts(facts, surface);
    })
    .join('\n\n');
}

function renderEnd(result: WarmResult, layers: readonly WarmedLayer[], surface: Surface): string {
  const { totals } = result;
  const cached = layers.filter((layer) => layer.servedBy === 'disk' || layer.servedBy === 'remote');
  const cachedBytes = sumOf(cached, 'uncompressedBytes');
  const allBytes = sumOf(layers, 'uncompressedBytes');
  const share = `${formatSize(cachedBytes)} of ${formatSize(allBytes)} (${formatPercent(cachedBytes, allBytes)})`;
  const cost = `${formatSize(totals.downloadedBytes)} downloaded, ${count(totals.requests, 'request')}`;
  return [
    ...(cachedBytes === 0 ? [] : [`from caches: ${share}`]),
    ...(totals.resumedBytes === undefined ? [] : [`resumed: ${formatSize(totals.resumedBytes)} kept`]),
    `${surface.style.green('warm')} in ${formatDuration(result.durationMs)}: ${cost}${renderMemory(result)}`,
  ].join('\n');
}

/** Images share layers; each was brought once. */
function distinctLayers(result: WarmResult): readonly WarmedLayer[] {
  return [...new Map(result.images.flatMap((image) => image.layers).map((layer) => [layer.diffId, layer])).values()];
}

function storedIn(layers: readonly WarmedLayer[]): readonly { readonly url: string; readonly held: number }[] {
  const urls = [...new Set(layers.flatMap((layer) => layer.stored))];
  return urls.map((url) => ({ url, held: layers.filter((layer) => layer.stored.includes(url)).length }));
}

function sumOf(layers: readonly WarmedLayer[], field: 'uncompressedBytes' | 'downloadedBytes'): number {
  return layers.reduce((sum, layer) => sum + layer[field], 0);
}
