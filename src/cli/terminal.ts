/** What a stream can show. */
import type { Environment } from './flag-values.ts';

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export interface Terminal {
  readonly isTty: boolean;
  /** A terminal that obeys cursor movements. */
  readonly isSmart: boolean;
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
  /** UTF-8 is understood. */
  readonly unicode: boolean;
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export function describeTerminal(stream: OutputStream, env: Environment): Terminal {
  const isTty = stream.isTTY === true;
  const isSmart = isTty && env['TERM'] !== 'dumb';
  return {
    isTty,
    isSmart,
    columns: Math.min(200, Math.max(40, stream.columns || DEFAULT_COLUMNS)),
    rows: Math.max(5, stream.rows || DEFAULT_ROWS),
    color: wantsColor(isSmart, env),
    unicode: isUtf8(env),
  };
}

/** True in a CI job: `CI` set to anything but false. */
export function isCi(env: Environment): boolean {
  const value = env['CI'];
  return value !== undefined && value !== '' && value !== '0' && value.toLowerCase() !== 'false';
}

/** FORCE_COLOR beats NO_COLOR, as in Node and chalk; both beat what the stream is. */
function wantsColor(isSmart: boolean, env: Environment): boolean {
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force.toLowerCase() !== 'false';
  return isSmart && (env['NO_COLOR'] ?? '') === '';
}

/** POSIX: LC_ALL, then LC_CTYPE, then LANG; the first that is not empty decides, and none means the C locale. */
function isUtf8(env: Environment): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C';
  return /utf-?8/i.test(locale);
}
