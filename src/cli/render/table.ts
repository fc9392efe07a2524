/** Tables without lines, for 80 columns: figures to the right, one column that gives way. */
import Table from 'cli-table3';
import { escapeText } from '../escape.ts';
import type { Surface } from '../output.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Takes the room that is left and is cut there; at most one. */
  readonly flexible?: boolean;
}

const GAP = 2;
const MIN_FLEXIBLE_CHARS = 10;
const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((name) => [name, '']),
  ),
);

/**
 * @param rows plain text, not escaped: this does it
 * @returns lines joined by line breaks, without one at the end and without trailing spaces
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], surface: Surface): string {
  const cells = rows.map((row) => row.map((cell) => escapeText(cell, { ascii: !surface.unicode })));
  const table = new Table({
    chars: { ...NO_LINES, middle: ' '.repeat(GAP), 'mid-mid': '' },
    truncate: surface.unicode ? '…' : '~',
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map((column) => column.align ?? 'left'),
    colWidths: widths(columns, cells, surface.columns),
  });
  table.push(
    columns.map((column) => surface.style.dim(column.title)),
    ...cells,
  );
  return trimLines(table.toString());
}

/** Only the flexible column has a width of its own; cli-table3 measures the others. */
function widths(columns: readonly Column[], cells: readonly (readonly string[])[], room: number): (number | null)[] {
  const natural = columns.map((column, at) => Math.max(column.title.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const fixed = columns.reduce(
    (sum, column, at) => sum + (column.flexible === true ? 0 : (natural[at] ?? 0)),
    GAP * (columns.length - 1),
  );
  return columns.map((column) => (column.flexible === true ? Math.max(MIN_FLEXIBLE_CHARS, room - fixed) : null));
}

function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
