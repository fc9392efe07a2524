/** A time of an image config, as Go reads it. */
export interface ImageTime {
  /** Seconds since 1970, may be negative. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Minutes east of UTC; undefined for `Z`. */
  readonly zoneMinutes: number | undefined;
}

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MAX_CHARS = 64;
/** Go's zero time: builders that don't know the time write it, so it means "not set". */
const YEAR_1_SECONDS = -62_135_596_800;

/** Parses RFC 3339; undefined for anything else, for an impossible date and for Go's zero time. */
export function parseImageTime(text: string | undefined): ImageTime | undefined {
  const match = text === undefined || text.length > MAX_CHARS ? null : RFC_3339.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const local = utcSeconds({ year, month, day }, hour * 3600 + minute * 60 + second);
  if (local === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  const zoneMinutes = match[8] === undefined ? undefined : zoneOf(match[8], Number(match[9]), Number(match[10]));
  const seconds = local - (zoneMinutes ?? 0) * 60;
  const nanoseconds = Number((match[7] ?? '').slice(0, 9).padEnd(9, '0'));
  return seconds === YEAR_1_SECONDS && nanoseconds === 0 ? undefined : { seconds, nanoseconds, zoneMinutes };
}

function zoneOf(sign: string, hours: number, minutes: number): number {
  // `+ 0` turns -0 into 0.
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes) + 0;
}

/** `Date.UTC` takes years below 100 for 19xx; undefined for the 31st of a shorter month. */
function utcSeconds({ year, month, day }: { year: number; month: number; day: number }, secondOfDay: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 1000 + secondOfDay;
}
