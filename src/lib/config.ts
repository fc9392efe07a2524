/**
 * The user's config file and directories. The file is `--config` or `$XDG_CONFIG_HOME/clipctl/config.json`; nothing in
 * the working directory is ever read, so an untrusted checkout can't point credentials or caches elsewhere.
 */
import { dirname, join, resolve } from 'node:path';
import type { ConfigValues } from './config-schema.ts';
import { ClipctlError, storageError } from './errors.ts';
import { absolute } from './home-directory.ts';
import { isMissing, openRegular, readOpened } from './regular-file.ts';

export type { ConfigValues } from './config-schema.ts';

/** What the directories depend on: `process.env`, and {@link homeOf} it. */
export interface UserEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; `undefined` when the user has none. */
  readonly homeDir: string | undefined;
}

export interface LoadedConfig {
  /** The file that was read; `undefined` when there is none. */
  readonly path: string | undefined;
  /** Where it was looked for; `undefined` when the user has no place for it. */
  readonly expectedPath: string | undefined;
  readonly values: ConfigValues;
  /** Keys that nobody knows, cut to a length that can be shown. */
  readonly unknownKeys: readonly string[];
  /** Of the unknown keys. */
  readonly warnings: readonly string[];
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * `$XDG_CACHE_HOME/clipctl`, else `~/.cache/clipctl`.
 * @throws ClipctlError USAGE when there is neither
 */
export function defaultCacheDir(user: UserEnvironment): string {
  const directory = xdgDirectory(user, 'XDG_CACHE_HOME', '.cache');
  if (directory !== undefined) return join(directory, 'clipctl');
  throw new ClipctlError('USAGE', 'missing --cache-dir: this user has no home directory', {
    hint: 'Name a cache directory with --cache-dir or CLIPCTL_CACHE_DIR, or set HOME to an absolute path.',
  });
}

/** `$XDG_CONFIG_HOME/clipctl/config.json`, else `~/.config/clipctl/config.json`; `undefined` when there is neither. */
export function defaultConfigPath(user: UserEnvironment): string | undefined {
  const directory = xdgDirectory(user, 'XDG_CONFIG_HOME', '.config');
  return directory === undefined ? undefined : join(directory, 'clipctl', 'config.json');
}

/** The XDG base directory specification: a relative path in such a variable is invalid and ignored. */
function xdgDirectory(user: UserEnvironment, variable: string, fallback: string): string | undefined {
  const value = absolute(user.env[variable]);
  return value ?? (user.homeDir === undefined ? undefined : join(user.homeDir, fallback));
}

/**
 * Reads the config file. A missing default file is an empty one.
 * @param explicitPath from `--config` or CLIPCTL_CONFIG; must exist
 * @throws ClipctlError CONFIG_INVALID naming file and key
 */
export async function loadConfig(user: UserEnvironment, explicitPath?: string): Promise<LoadedConfig> {
  const path = explicitPath === undefined ? defaultConfigPath(user) : resolve(explicitPath);
  const text = path === undefined ? undefined : await readCapped(path);
  if (path === undefined || text === undefined) {
    if (path === undefined || explicitPath === undefined)
      return { path: undefined, expectedPath: path, values: {}, unknownKeys: [], warnings: [] };
    throw invalid(path, 'no such file', 'Check the path given with --config or CLIPCTL_CONFIG.');
  }
  return parseConfig(path, text, user.homeDir);
}

async function parseConfig(path: string, text: string, homeDir: string | undefined): Promise<LoadedConfig> {
  const { CONFIG_KEYS, parseConfigValues } = await import('./config-schema.ts');
  const document = parseJson(path, text);
  const parsed = parseConfigValues(document);
  if ('problem' in parsed) throw invalid(path, parsed.key === '' ? parsed.problem : `${parsed.key}: ${parsed.problem}`);
  const unknownKeys = Object.keys(document as object)
    .filter((key) => !CONFIG_KEYS.includes(key))
    .map((key) => key.slice(0, 100));
  const warnings = unknownKeys.map((key) => `config file ${path}: unknown key ${JSON.stringify(key)} is ignored`);
  const { cacheDir, ...rest } = parsed.values;
  const values = cacheDir === undefined ? rest : { ...rest, cacheDir: resolveFrom(path, cacheDir, homeDir) };
  return { path, expectedPath: path, values, unknownKeys, warnings };
}

/** No shell expands `~` here, and a relative path means "beside the file": the working directory changes by the run. */
function resolveFrom(configPath: string, value: string, homeDir: string | undefined): string {
  if (value !== '~' && !value.startsWith('~/')) return resolve(dirname(configPath), value);
  if (homeDir !== undefined) return join(homeDir, value.slice(1));
  throw invalid(configPath, 'cacheDir: this user has no home directory that ~ could mean', 'Write an absolute path.');
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, `not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readCapped(path: string): Promise<string | undefined> {
  try {
    const file = await openRegular(path);
    if (file === 'other') throw invalid(path, 'not a regular file');
    if (file.sizeBytes <= MAX_CONFIG_BYTES) return (await readOpened(file)).toString('utf8');
    await file.handle.close();
    throw invalid(path, `larger than ${MAX_CONFIG_BYTES} bytes`);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof ClipctlError) throw error;
    throw invalid(path, storageError(error, path, 'read').message, 'Check the file, or name another one with --config.');
  }
}

function invalid(
  path: string,
  problem: string,
  hint = 'Keys are flag names in camelCase; see docs/errors.md, CONFIG_INVALID.',
): ClipctlError {
  return new ClipctlError('CONFIG_INVALID', `config file ${path}: ${problem}`, { hint, details: { path } });
}
