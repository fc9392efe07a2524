/** A plot of horizontal bars as SVG: text and colours of its own for light and dark, no script, no font to load. */
import type { Bar, Plot } from '../claim.ts';

const WIDTH = 760;
const LABEL_WIDTH = 300;
const VALUE_WIDTH = 70;
const ROW_HEIGHT = 26;
const BAR_HEIGHT = 16;
const TOP = 52;

const STYLE = [
  'text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}',
  '.title{font-weight:600;font-size:15px}.unit{fill:#59636e}',
  '.peer{fill:#8c959f}.ours{fill:#0969da}',
  '@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.unit{fill:#9198a1}.peer{fill:#656c76}.ours{fill:#4493f8}}',
].join('');

export function drawPlot({ title, unit, bars }: Plot): string {
  const height = TOP + bars.length * ROW_HEIGHT + 8;
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const rows = bars.map((bar, index) => drawBar(bar, { top: TOP + index * ROW_HEIGHT, most }));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escapeXml(`${title}: ${unit}`)}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="8" y="20">${escapeXml(title)}</text>`,
    `<text class="unit" x="8" y="39">${escapeXml(unit)}</text>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function drawBar({ name, value, isOurs }: Bar, { top, most }: { readonly top: number; readonly most: number }): string {
  const width = Math.max(1, Math.round((value / most) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH)));
  const baseline = top + 13;
  return [
    `<text x="${LABEL_WIDTH - 8}" y="${baseline}" text-anchor="end">${escapeXml(name)}</text>`,
    `<rect class="${isOurs ? 'ours' : 'peer'}" x="${LABEL_WIDTH}" y="${top}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<text x="${LABEL_WIDTH + width + 6}" y="${baseline}">${formatValue(value)}</text>`,
  ].join('');
}

function formatValue(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 10 ? 1 : 2);
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
