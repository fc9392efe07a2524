import { shortDigest } from '../../lib/oci/digest.ts';
import type { InspectedLayer, InspectResult } from '../../lib/operations/results.ts';
import { count, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { type Column, renderTable } from './table.ts';

export interface InspectView {
  /** Every layer as a block of its own instead of a table. */
  readonly layers: boolean;
  /** A table of tiers instead of the short column. */
  readonly tiers: boolean;
}

/** What the image is, layer by layer, where it is warm, totals. */
export function renderInspect(result: InspectResult, view: InspectView, surface: Surface): string {
  const sections = [renderImage(result, surface)];
  if (view.layers) sections.push(...result.layers.map((layer, at) => renderLayer(layer, at + 1, surface)));
  else sections.push(renderLayers(result.layers, surface));
  if (view.tiers) sections.push(renderTiers(result.layers, surface));
  sections.push(renderTotals(result, surface));
  return sections.filter((section) => section !== '').join('\n\n');
}

function renderImage(result: InspectResult, surface: Surface): string {
  const { config } = result;
  const facts: Fact[] = [
    ['image', result.image],
    ['platform', otherPlatforms(result)],
    ['manifest', result.manifestDigest],
    ['created', ...optional(config.created)],
    ['author', ...optional(config.author)],
    ['user', ...optional(config.user)],
    ['workdir', ...optional(config.workingDir)],
    ['runs', ...optional(commandOf(config))],
    ['ports', ...optional(config.exposedPorts?.join(' '))],
    ['volumes', ...optional(config.volumes?.join(' '))],
    ['stop', ...optional(config.stopSignal)],
    ...(surface.verbose ? verboseFacts(config) : []),
  ];
  // Only the name and the digest are worth a line that breaks.
  return [renderFacts(facts.slice(0, 3), surface), renderFacts(facts.slice(3), surface, { cut: true })]
    .filter(Boolean)
    .join('\n');
}

function verboseFacts(config: InspectResult['config']): readonly Fact[] {
  const labels = Object.entries(config.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    ['env', ...(config.env ?? [])],
    ['labels', ...labels],
  ];
}

function otherPlatforms(result: InspectResult): string {
  const all = result.platforms?.length ?? 0;
  return all > 1 ? `${result.platform} (1 of ${all})` : result.platform;
}

/** As the shell would see it; words with spaces quoted. */
function commandOf(config: InspectResult['config']): string | undefined {
  const words = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
  return words.length === 0 ? undefined : words.map((word) => (/[\s"']|^$/.test(word) ? JSON.stringify(word) : word)).join(' ');
}

function renderLayers(layers: readonly InspectedLayer[], surface: Surface): string {
  if (layers.length === 0) return '';
  // An index without the image's history knows no commands.
  const showCommands = layers.some((layer) => (layer.createdBy ?? '') !== '');
  const columns: Column[] = [
    { title: '#', align: 'right' },
    { title: 'digest' },
    { title: 'compressed', align: 'right' },
    { title: 'size', align: 'right' },
    { title: 'warm' },
    ...(showCommands ? [{ title: 'created by', flexible: true }] : []),
  ];
  const rows = layers.map((layer, at) => [
    String(at + 1),
    shortDigest(layer.digest),
    formatSize(layer.compressedBytes),
    layer.uncompressedBytes === undefined ? '-' : formatSize(layer.uncompressedBytes),
    tiersOf(layer),
    ...(showCommands ? [shortenCommand(layer.createdBy ?? '')] : []),
  ]);
  return renderTable(columns, rows, surface);
}

/** `disk`, `disk+1` (and one remote), `2 remotes`, `no`. */
function tiersOf(layer: InspectedLayer): string {
  const remotes = Object.values(layer.tiers.remote).filter(Boolean).length;
  if (layer.tiers.disk) return remotes === 0 ? 'disk' : `disk+${remotes}`;
  return remotes === 0 ? 'no' : count(remotes, 'remote');
}

/** Every docker build step starts with the same words; what follows tells layers apart. */
function shortenCommand(command: string): string {
  return command
    .replace(/^\/bin\/sh -c (#\(nop\)\s*)?/, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function renderLayer(layer: InspectedLayer, position: number, surface: Surface): string {
  const facts: Fact[] = [
    ['layer', String(position)],
    ['digest', layer.digest],
    ['diffID', layer.diffId],
    ['type', layer.mediaType],
    ['size', sizesOf(layer)],
    ['entries', ...optional(layer.entries === undefined ? undefined : String(layer.entries))],
    ['checks', ...optional(layer.checkpoints === undefined ? undefined : count(layer.checkpoints, 'checkpoint'))],
    ['warm', placesOf(layer).join(', ') || 'no'],
    ['made by', ...optional(layer.createdBy)],
  ];
  return renderFacts(facts, surface);
}

function sizesOf(layer: InspectedLayer): string {
  const compressed = `${formatSize(layer.compressedBytes)} compressed`;
  return layer.uncompressedBytes === undefined
    ? compressed
    : `${compressed}, ${formatSize(layer.uncompressedBytes)} uncompressed`;
}

function placesOf(layer: InspectedLayer): readonly string[] {
  const remotes = Object.entries(layer.tiers.remote).filter(([, has]) => has);
  return [...(layer.tiers.disk ? ['disk'] : []), ...remotes.map(([url]) => url)];
}

/** One column a tier; remotes are numbered, for their URLs don't fit. */
function renderTiers(layers: readonly InspectedLayer[], surface: Surface): string {
  const urls = remotesOf(layers);
  const columns: Column[] = [{ title: '#', align: 'right' }, { title: 'digest' }, { title: 'disk' }];
  const rows = layers.map((layer, at) => [
    String(at + 1),
    shortDigest(layer.digest),
    yesOrNo(layer.tiers.disk),
    ...urls.map((url) => yesOrNo(layer.tiers.remote[url] === true)),
  ]);
  const table = renderTable([...columns, ...urls.map((_, at) => ({ title: `remote ${at + 1}` }))], rows, surface);
  const legend = urls.map((url, at): Fact => [`remote ${at + 1}`, ` ${url}`]);
  return [table, ...(legend.length === 0 ? [] : [renderFacts(legend, surface)])].join('\n\n');
}

function renderTotals({ layers, totals, warm }: InspectResult, surface: Surface): string {
  const { style } = surface;
  const sizes = [
    count(totals.layers, 'layer'),
    `${formatSize(totals.compressedBytes)} compressed`,
    ...(totals.uncompressedBytes === undefined ? [] : [`${formatSize(totals.uncompressedBytes)} uncompressed`]),
    ...(totals.entries === undefined ? [] : [count(totals.entries, 'entry', 'entries')]),
  ];
  const facts: Fact[] = [
    ['total', sizes.join(', ')],
    ['warm', `${shareOf(totals.warmLayers, totals.warmBytes, totals)}  disk`],
    ...remotesOf(layers).map((url): Fact => ['', remoteShare(url, layers, totals)]),
  ];
  const missing = totals.compressedBytes - totals.warmBytes;
  const verdict = warm ? style.green('warm: every layer is on disk') : style.yellow(`not warm: ${formatSize(missing)} to bring`);
  return `${renderFacts(facts, surface)}\n${verdict}`;
}

function remoteShare(url: string, layers: readonly InspectedLayer[], totals: InspectResult['totals']): string {
  const held = layers.filter((layer) => layer.tiers.remote[url] === true);
  const bytes = held.reduce((sum, layer) => sum + layer.compressedBytes, 0);
  return `${shareOf(held.length, bytes, totals)}  ${url}`;
}

function shareOf(layers: number, bytes: number, totals: InspectResult['totals']): string {
  return `${layers} of ${count(totals.layers, 'layer')}, ${formatSize(bytes)} of ${formatSize(totals.compressedBytes)}`;
}

function remotesOf(layers: readonly InspectedLayer[]): readonly string[] {
  return [...new Set(layers.flatMap((layer) => Object.keys(layer.tiers.remote)))];
}

function yesOrNo(value: boolean): string {
  return value ? 'yes' : '-';
}

function optional(value: string | undefined): readonly string[] {
  return value === undefined || value === '' ? [] : [value];
}
