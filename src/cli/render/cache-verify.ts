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

/** What is wrong; that all is well takes one line. */
export function renderVerify(result: CacheVerifyResult, surface: Surface): string {
  return render(result, surface, 'clipctl cache repair');
}

/** What was mended, and what could not be: the warnings say why. */
export function renderRepair(result: CacheVerifyResult, surface: Surface): string {
  return render(result, surface, 'left as they are');
}

function render(result: CacheVerifyResult, surface: Surface, advice: string): string {
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
    corrupt.length + missing.length === 0
      ? surface.style.green('all right')
      : surface.style.red(`${corrupt.length} bad, ${missing.length} missing: ${advice}`),
  ];
  const end = notes.join('\n');
  return rows.length === 0 ? end : `${renderTable(COLUMNS, rows, surface)}\n\n${end}`;
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
