/**
 * The grammar of sizes and durations in flags, environment and config file. Sizes: `512`, `10MiB`, `10M`, `10MB`; a
 * unit ending in `iB` or a bare letter counts in 1024s, one ending in plain `B` in 1000s. Durations: `500ms`, `30s`,
 * `2m`, `1h`; a bare number is seconds.
 */

const SIZE = /^(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgt])(i?b)?|b)?$/i;
const SIZE_POWERS = 'kmgt';
const DURATION = /^(\d{1,12}(?:\.\d{1,6})?) ?(ms|s|m|h)?$/i;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const AGE = /^(\d{1,6}(?:\.\d{1,6})?) ?(s|m|h|d|w)$/i;
const DAY_MS = 24 * 3_600_000;
const AGE_UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS };
/** What setTimeout can wait for. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** The least `--max-memory`: less than this holds no transfer. As flags say it. */
export const MIN_MEMORY = '4MiB';

/** Whole bytes; `undefined` when the text is no size or no safe integer. */
export function parseSizeBytes(text: string): number | undefined {
  const match = SIZE.exec(text.trim());
  if (match === null) return undefined;
  const [, amount = '', letter, suffix] = match;
  const base = suffix?.toLowerCase() === 'b' ? 1000 : 1024;
  const power = letter === undefined ? 0 : SIZE_POWERS.indexOf(letter.toLowerCase()) + 1;
  const bytes = Math.floor(Number(amount) * base ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Whole milliseconds; `undefined` when the text is no duration or longer than a timer can wait (24 days). */
export function parseDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text.trim());
  if (match === null) return undefined;
  const milliseconds = Math.round(Number(match[1]) * (UNIT_MS[(match[2] ?? 's').toLowerCase()] ?? 1000));
  return milliseconds <= MAX_DURATION_MS ? milliseconds : undefined;
}

/** Whole milliseconds of `12h`, `30d`, `4w`: the unit is never left out. `undefined` when the text is no age. */
export function parseAgeMs(text: string): number | undefined {
  const match = AGE.exec(text.trim());
  return match === null ? undefined : Math.round(Number(match[1]) * (AGE_UNIT_MS[(match[2] ?? '').toLowerCase()] ?? 0));
}
