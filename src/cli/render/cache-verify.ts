import { shortDigest } from '../../lib/oci/digest.ts';
import type { CachePinsResult, CacheVerifyResult, DamageReason, RepairedLayer } from '../../lib/operations/cache-results.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Column, renderTable } from './table.ts';

const COLUMNS: readonly Column[] = [{ title: 'diffID' }, { title: 'state' }, { title: 'images', flexible: true }];

const DAMAGE: Readonly<Record<DamageReason, string>> = {
  size: 'bad: wrong size',
  content: 'bad: wrong content',
  'no-file': 'bad: no regular file',
  unreadable: 'bad: not readable',
};

const MENDED: Readonly<Record<RepairedLayer['by'], string>> = {
  fetched: 'fetched again',
  dropped: 'dropped',
  forgotten: 'forgotten',
};

/** What is wrong and what was mended; that all is well takes one line. */
export function renderVerify(result: CacheVerifyResult, surface: Surface): string {
  const { corrupt, missing, repaired, unverified } = result;
  const rows = [
    ...corrupt.map((layer) => [shortDigest(layer.diffId), DAMAGE[layer.reason], layer.images.join(' ')]),
    ...missing.map((layer) => [shortDigest(layer.diffId), 'missing', layer.images.join(' ')]),
    ...repaired.map((layer) => [shortDigest(layer.diffId), MENDED[layer.by], layer.from ?? '']),
  ];
  const how = result.full ? 'hashed' : 'checked';
  const notes = [
    `${how} ${count(result.checked, 'layer')}, ${formatSize(result.bytes)} in ${formatDuration(result.durationMs)}`,
    ...(unverified.length === 0 ? [] : [`${unverified.length} unverified (--full hashes them)`]),
    wrongOf(corrupt.length, missing.length, surface),
  ];
  const end = notes.join('\n');
  return rows.length === 0 ? end : `${renderTable(COLUMNS, rows, surface)}\n\n${end}`;
}

function wrongOf(corrupt: number, missing: number, { style }: Surface): string {
  if (corrupt + missing === 0) return style.green('all right');
  return style.red(`${corrupt} bad, ${missing} missing: clipctl cache repair`);
}

const PIN_COLUMNS: readonly Column[] = [
  { title: 'pinned', flexible: true },
  { title: 'layers', align: 'right' },
];

/** What is pinned now. */
export function renderPins({ pins }: CachePinsResult, surface: Surface): string {
  if (pins.length === 0) return 'nothing is pinned';
  return renderTable(
    PIN_COLUMNS,
    pins.map(({ name, diffIds }) => [name, String(diffIds.length)]),
    surface,
  );
}
