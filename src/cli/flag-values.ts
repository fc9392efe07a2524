/** Picks the value of a flag, in the order flag, environment, config file, default, and says where a wrong one stands. */
import { isAbsolute, resolve } from 'node:path';
import type { ConfigValues } from '../lib/config.ts';
import { ClipctlError } from '../lib/errors.ts';
import { parseAgeMs, parseDurationMs, parseSizeBytes } from '../lib/quantity.ts';
import { environmentName } from './flags.ts';

/** What oclif parsed: tokens in the order of argv. */
export interface FlagToken {
  readonly type: string;
  readonly flag?: string;
  readonly input: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface FlagSources {
  readonly tokens: readonly FlagToken[];
  readonly env: Environment;
  readonly config: ConfigValues;
}

interface Found {
  readonly texts: readonly string[];
  /** `--jobs` or `CLIPCTL_JOBS`, for messages. */
  readonly where: string;
  readonly code: 'USAGE' | 'CONFIG_INVALID';
}

const TRUE_WORDS = new Set(['1', 'true', 'yes', 'on']);
const FALSE_WORDS = new Set(['0', 'false', 'no', 'off']);

export class FlagValues {
  readonly config: ConfigValues;
  readonly #tokens: readonly FlagToken[];
  readonly #env: Environment;

  constructor(sources: FlagSources) {
    this.config = sources.config;
    this.#tokens = sources.tokens.filter((token) => token.type === 'flag');
    this.#env = sources.env;
  }

  /** True when it stands on the command line. */
  isGiven(name: string): boolean {
    return this.#tokens.some((token) => token.flag === name);
  }

  /** How often it stands on the command line (`-vv`). */
  occurrences(name: string): number {
    return this.#tokens.filter((token) => token.flag === name).length;
  }

  /** Which of the sources before the config file names it. */
  originOf(name: string): 'flag' | 'environment' | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    return found.code === 'USAGE' ? 'flag' : 'environment';
  }

  text(name: string): string | undefined {
    const found = this.#find(name);
    return found === undefined ? undefined : requireText(found);
  }

  /** All values of a repeatable flag; `undefined` when neither flag nor environment says anything. */
  texts(name: string): readonly string[] | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    const texts = found.code === 'USAGE' ? found.texts : found.texts.flatMap((text) => text.split(/\s+/).filter(Boolean));
    for (const text of texts) requireText({ ...found, texts: [text] });
    return texts;
  }

  toggle(name: string, fallback = false): boolean {
    if (this.isGiven(name)) return true;
    const found = this.#find(name);
    if (found === undefined) return fallback;
    const word = requireText(found).toLowerCase();
    if (TRUE_WORDS.has(word)) return true;
    if (FALSE_WORDS.has(word)) return false;
    throw wrong(found, 'true or false');
  }

  /** An absolute path; a relative one starts at the working directory. */
  path(name: string): string | undefined {
    const text = this.text(name);
    return text === undefined || isAbsolute(text) ? text : resolve(text);
  }

  integer(name: string, atLeast: number): number | undefined {
    return this.#parsed(name, `a whole number of at least ${atLeast}`, (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : undefined;
      return value === undefined || value < atLeast ? undefined : value;
    });
  }

  /** @param atLeast the smallest that will do, as a flag says it */
  sizeBytes(name: string, atLeast = '1'): number | undefined {
    const bound = atLeast === '1' || atLeast === '0' ? '' : ` of at least ${atLeast}`;
    return this.#parsed(name, `a size like 512, 32MiB, 10G or 10GB${bound}`, (text) => {
      const bytes = parseSizeBytes(text);
      return bytes === undefined || bytes < (parseSizeBytes(atLeast) ?? 1) ? undefined : bytes;
    });
  }

  durationMs(name: string): number | undefined {
    return this.#parsed(name, 'a duration like 500ms, 30s or 2m', (text) => parseDurationMs(text) || undefined);
  }

  ageMs(name: string): number | undefined {
    return this.#parsed(name, 'an age like 12h, 30d or 4w', parseAgeMs);
  }

  /** `2/5`: the second of five parts. */
  part(name: string): { readonly part: number; readonly of: number } | undefined {
    return this.#parsed(name, 'a part like 1/5', (text) => {
      const [, part = 0, of = 0] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
      return part >= 1 && part <= of ? { part, of } : undefined;
    });
  }

  choice<T extends string>(name: string, options: readonly T[]): T | undefined {
    return this.#parsed(name, `one of ${options.join(', ')}`, (text) => options.find((candidate) => candidate === text));
  }

  #parsed<T>(name: string, expected: string, parse: (text: string) => T | undefined): T | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    const value = parse(requireText(found));
    if (value === undefined) throw wrong(found, expected);
    return value;
  }

  #find(name: string): Found | undefined {
    const texts = this.#tokens.filter((token) => token.flag === name).map((token) => token.input);
    if (texts.length > 0) return { texts, where: `--${name}`, code: 'USAGE' };
    const variable = environmentName(name);
    const value = this.#env[variable];
    // An empty variable is how a CI system says "not set".
    if (value === undefined || value.trim() === '') return undefined;
    return { texts: [value], where: variable, code: 'CONFIG_INVALID' };
  }
}

function requireText(found: Found): string {
  const text = found.texts[0] ?? '';
  if (text.trim() === '')
    throw new ClipctlError(found.code, `${found.where} is empty`, { hint: 'Give it a value or leave it out.' });
  return text;
}

function wrong(found: Found, expected: string): ClipctlError {
  return new ClipctlError(
    found.code,
    `${found.where}: expected ${expected}, got ${JSON.stringify((found.texts[0] ?? '').slice(0, 100))}`,
  );
}
