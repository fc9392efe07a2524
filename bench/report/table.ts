/** The table that `npm run bench` prints. */
import { holds, type Claim, type ClaimResult, type Heat, type Target } from '../claim.ts';
import type { Standing } from '../measure/interleave.ts';

const MIB = 1024 * 1024;

export function formatClaim(claim: Claim, { heats, targets }: ClaimResult): string {
  const lines = [`\n${claim.name}: ${claim.title}`];
  for (const heat of heats) lines.push(...formatHeat(heat));
  for (const target of targets) lines.push(`  ${formatTarget(target)}`);
  return `${lines.join('\n')}\n`;
}

function formatHeat({ title, data, outputBytes, standings, missing }: Heat): readonly string[] {
  const least = Math.min(...standings.map(({ cpuMs }) => cpuMs));
  const header = ['', 'CPU ms', 'MB/s CPU', 'wall ms', 'MB/s wall', '× CPU', 'RSS MiB'];
  const rows = standings.map((standing) => rowOf(standing, { outputBytes, least }));
  const lines = alignColumns([header, ...rows]).map((line) => `    ${line}`);
  const absent = missing.map(({ name, reason }) => `    ${name}: missing (${reason})`);
  return [`  ${title} (${data.replaceAll('\n', '; ')})`, ...lines, ...absent];
}

interface Scale {
  readonly outputBytes: number | undefined;
  /** CPU of the cheapest. */
  readonly least: number;
}

function rowOf(standing: Standing, { outputBytes, least }: Scale): readonly string[] {
  const { name, cpuMs, wallMs, peakRssBytes } = standing;
  const rate = (ms: number): string => (outputBytes === undefined ? '' : (outputBytes / 1000 / ms).toFixed(0));
  const peak = peakRssBytes === undefined ? '' : (peakRssBytes / MIB).toFixed(0);
  return [name, cpuMs.toFixed(0), rate(cpuMs), wallMs.toFixed(0), rate(wallMs), (cpuMs / least).toFixed(2), peak];
}

function formatTarget(target: Target): string {
  const { text, value } = target;
  if (value === undefined) return `not measured: ${text}`;
  const figure = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(3);
  return `${holds(target) === true ? 'holds' : 'FAILS'}: ${text}: ${figure}`;
}

/** The first column left, the others right. */
function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const align = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => row.map(align).join('  ').trimEnd());
}
