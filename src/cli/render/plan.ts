import { shortDigest } from '../../lib/oci/digest.ts';
import type { PlanResult } from '../../lib/operations/results.ts';
import { count, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { type Column, renderTable } from './table.ts';

/** What `--dry-run` would do, by tier; and that nothing was done. */
export function renderPlan(plan: PlanResult, surface: Surface): string {
  const sections = plan.images.map((image) => renderImage(image, surface));
  if (Object.keys(plan.tiers).length > 0) sections.push(renderTiers(plan, surface));
  if (Object.keys(plan.sends).length > 0) sections.push(renderSends(plan, surface));
  return [...sections, surface.style.yellow('dry run: nothing was done')].join('\n\n');
}

const LAYER_COLUMNS: readonly Column[] = [
  { title: 'digest' },
  { title: 'compressed', align: 'right' },
  { title: 'from' },
  { title: 'to', flexible: true },
];

function renderImage({ image, platform, layers }: PlanResult['images'][number], surface: Surface): string {
  const facts: Fact[] = [
    ['image', image],
    ['platform', platform],
    ['layers', String(layers.length)],
  ];
  const head = renderFacts(facts, surface);
  if (layers.length === 0) return head;
  const rows = layers.map((layer) => [
    shortDigest(layer.digest),
    formatSize(layer.compressedBytes),
    layer.tier,
    layer.sendTo.join(' ') || '-',
  ]);
  return `${head}\n\n${renderTable(LAYER_COLUMNS, rows, surface)}`;
}

const TIER_COLUMNS: readonly Column[] = [
  { title: 'tier' },
  { title: 'layers', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'requests', align: 'right' },
];

function renderTiers(plan: PlanResult, surface: Surface): string {
  const rows = Object.entries(plan.tiers).map(([tier, { layers, bytes, requests }]) => [
    tier,
    String(layers),
    formatSize(bytes),
    String(requests),
  ]);
  return renderTable(TIER_COLUMNS, rows, surface);
}

function renderSends(plan: PlanResult, surface: Surface): string {
  const facts = Object.entries(plan.sends).map(([url, { layers, bytes }], at): Fact => {
    const size = bytes === undefined ? 'size not known yet' : formatSize(bytes);
    return [at === 0 ? 'send' : '', `${count(layers, 'layer')}, ${size} to ${url}`];
  });
  return renderFacts(facts, surface);
}
