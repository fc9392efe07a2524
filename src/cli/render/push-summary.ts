import { shortDigest } from '../../lib/oci/digest.ts';
import type { PushResult } from '../../lib/operations/results.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { renderMemory } from './memory.ts';
import { type Column, renderTable } from './table.ts';
import { CREATES, renderVerification } from './verification.ts';

const COLUMNS: readonly Column[] = [
  { title: 'diffID' },
  { title: 'size', align: 'right' },
  { title: 'sent', align: 'right' },
  { title: 'chunks', align: 'right' },
];

/** What each remote has now, and how much of it had to be sent. */
export function renderPush(result: PushResult, surface: Surface): string {
  const sections = result.remotes.map((remote) => renderRemote(remote, surface));
  const sentBytes = result.remotes.flatMap((remote) => remote.layers).reduce((sum, layer) => sum + layer.sentBytes, 0);
  const end = `${surface.style.green('pushed')} ${formatSize(sentBytes)} in ${formatDuration(result.durationMs)}${renderMemory(result)}`;
  if (result.verification !== undefined) sections.push(renderVerification(result.verification, surface));
  return [...sections, end].join('\n\n');
}

function renderRemote({ url, creates, layers }: PushResult['remotes'][number], surface: Surface): string {
  const skipped = layers.filter((layer) => layer.skipped).length;
  const facts: Fact[] = [
    ['remote', url],
    ['layers', `${layers.length - skipped} sent, ${skipped} there already`],
    ...(surface.verbose ? [['creates', CREATES[creates]] satisfies Fact] : []),
  ];
  const head = renderFacts(facts, surface);
  if (layers.length === 0) return head;
  const rows = layers.map((layer) => [
    shortDigest(layer.diffId),
    formatSize(layer.uncompressedBytes),
    layer.skipped ? 'there' : formatSize(layer.sentBytes),
    layer.skipped ? '-' : count(layer.chunks, 'chunk'),
  ]);
  return `${head}\n\n${renderTable(COLUMNS, rows, surface)}`;
}
