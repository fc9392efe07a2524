import type { CheckArea, DoctorCheck, DoctorResult, SettingFact } from '../../lib/operations/doctor-results.ts';
import { escapeText } from '../escape.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import type { Paint } from '../style.ts';
import { renderTable } from './table.ts';

const TITLES: Readonly<Record<CheckArea, string>> = {
  configuration: 'configuration',
  cache: 'disk cache',
  engines: 'engines',
  network: 'network',
  credentials: 'logins',
  remotes: 'remote caches',
  registries: 'registries',
};
/** The longest status, and a gap. */
const STATUS_CHARS = 9;
const INDENT = '  ';

/** Who runs, what is set, then all checks by area, then the verdict. */
export function renderDoctor(result: DoctorResult, surface: Surface): string {
  const areas = (Object.keys(TITLES) as CheckArea[]).map((area) => renderArea(area, result, surface));
  return [systemLine(result), renderSettings(result.settings, surface), ...areas, verdict(result, surface)]
    .filter((section) => section !== '')
    .join('\n\n');
}

function systemLine({ version, system }: DoctorResult): string {
  const { node, platform, architecture, cores, memoryBytes } = system;
  return `clipctl ${version}, Node ${node}, ${platform} ${architecture}, ${count(cores, 'core')}, ${formatSize(memoryBytes)}`;
}

function renderSettings(settings: readonly SettingFact[], surface: Surface): string {
  const rows = settings.flatMap(({ name, value, unit, origin }) => {
    const [first = '-', ...others] = valuesOf(value, unit);
    return [[name, origin, first], ...others.map((other) => ['', '', other])];
  });
  return renderTable([{ title: 'setting' }, { title: 'from' }, { title: 'value' }], rows, surface);
}

function valuesOf(value: SettingFact['value'], unit: SettingFact['unit']): readonly string[] {
  if (value === null) return [];
  if (typeof value === 'number' && unit === 'bytes') return [formatSize(value)];
  if (typeof value === 'number' && unit === 'ms') return [formatDuration(value)];
  if (typeof value === 'boolean') return [value ? 'yes' : 'no'];
  return typeof value === 'object' ? value : [String(value)];
}

function renderArea(area: CheckArea, result: DoctorResult, surface: Surface): string {
  const lines = result.checks.filter((check) => check.area === area).flatMap((check) => renderCheck(check, surface));
  if (lines.length === 0) return '';
  const space = area === 'cache' ? renderSpace(result, surface) : [];
  return [surface.style.bold(TITLES[area]), ...lines, ...space].join('\n');
}

/** Figures of the cache, which need the units of people. */
function renderSpace({ cache }: DoctorResult, surface: Surface): readonly string[] {
  const { layers, ownBytes, freeBytes, minFreeBytes, maxCacheBytes } = cache;
  const parts = [
    ...(layers === undefined || ownBytes === undefined ? [] : [`${count(layers, 'layer')}, ${formatSize(ownBytes)}`]),
    ...(maxCacheBytes === undefined ? [] : [`at most ${formatSize(maxCacheBytes)}`]),
    ...(freeBytes === undefined ? [] : [`${formatSize(freeBytes)} free`]),
    `leaves ${formatSize(minFreeBytes)} free`,
  ];
  return labelled(UNLABELLED, parts.join('; '), surface);
}

function renderCheck({ status, message, code, hint }: DoctorCheck, surface: Surface): readonly string[] {
  const { green, yellow, red } = surface.style;
  const paint = { ok: green, warning: yellow, problem: red }[status];
  const text = status === 'ok' || code === undefined ? message : `${message} [${code}]`;
  return [
    ...labelled({ label: status, paint }, text, surface),
    ...(hint === undefined ? [] : labelled(UNLABELLED, `hint: ${hint}`, surface)),
  ];
}

interface Label {
  readonly label: string;
  readonly paint: Paint;
}

const UNLABELLED: Label = { label: '', paint: (word) => word };

/** A label and text behind it, wrapped to the width of the terminal; a longer word stays whole. */
function labelled({ label, paint }: Label, text: string, surface: Surface): readonly string[] {
  const room = surface.columns - INDENT.length - STATUS_CHARS;
  const lines: string[] = [];
  for (const word of escapeText(text, { ascii: !surface.unicode }).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, at) => {
    const gap = ' '.repeat(STATUS_CHARS - (at === 0 ? label.length : 0));
    const head = at === 0 && label !== '' ? paint(label) + gap : gap;
    return `${INDENT}${head}${line}`.trimEnd();
  });
}

function verdict({ ok, checks, durationMs }: DoctorResult, { style }: Surface): string {
  const problems = checks.filter(({ status }) => status === 'problem').length;
  const warnings = checks.filter(({ status }) => status === 'warning').length;
  const noted = warnings === 0 ? '' : `, ${count(warnings, 'warning')}`;
  return `${ok ? style.green('no problem') : style.red(count(problems, 'problem'))}${noted}, looked at in ${formatDuration(durationMs)}`;
}
