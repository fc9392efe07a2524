/**
 * The user's config file and directories. The file is `--config` or `$XDG_CONFIG_HOME/clipctl/config.json`; nothing in
 * the working directory is ever read, so an untrusted checkout can't point credentials or caches elsewhere.
 */
import { open } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { ConfigValues } from './config-schema.ts';
import { ClipctlError, storageError } from './errors.ts';

export type { ConfigValues } from './config-schema.ts';

/** What the directories depend on: `process.env` and `os.homedir()`. */
export interface UserEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
}

export interface LoadedConfig {
  /** The file that was read; `undefined` when there is none. */
  readonly path: string | undefined;
  readonly values: ConfigValues;
  /** Unknown keys. */
  readonly warnings: readonly string[];
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/** `$XDG_CACHE_HOME/clipctl`, else `~/.cache/clipctl`. */
export function defaultCacheDir(user: UserEnvironment): string {
  return join(xdgDirectory(user, 'XDG_CACHE_HOME', '.cache'), 'clipctl');
}

/** `$XDG_CONFIG_HOME/clipctl/config.json`, else `~/.config/clipctl/config.json`. */
export function defaultConfigPath(user: UserEnvironment): string {
  return join(xdgDirectory(user, 'XDG_CONFIG_HOME', '.config'), 'clipctl', 'config.json');
}

/** The XDG base directory specification: a relative path in such a variable is invalid and ignored. */
function xdgDirectory(user: UserEnvironment, variable: string, fallback: string): string {
  const value = user.env[variable];
  return value !== undefined && isAbsolute(value) ? value : join(user.homeDir, fallback);
}

/**
 * Reads the config file. A missing default file is an empty one.
 * @param explicitPath from `--config` or CLIPCTL_CONFIG; must exist
 * @throws ClipctlError CONFIG_INVALID naming file and key
 */
export async function loadConfig(user: UserEnvironment, explicitPath?: string): Promise<LoadedConfig> {
  const path = explicitPath === undefined ? defaultConfigPath(user) : resolve(explicitPath);
  const text = await readCapped(path);
  if (text === undefined) {
    if (explicitPath === undefined) return { path: undefined, values: {}, warnings: [] };
    throw invalid(path, 'no such file', 'Check the path given with --config or CLIPCTL_CONFIG.');
  }
  return parseConfig(path, text, user.homeDir);
}

async function parseConfig(path: string, text: string, homeDir: string): Promise<LoadedConfig> {
  const { CONFIG_KEYS, parseConfigValues } = await import('./config-schema.ts');
  const document = parseJson(path, text);
  const parsed = parseConfigValues(document);
  if ('problem' in parsed) throw invalid(path, parsed.key === '' ? parsed.problem : `${parsed.key}: ${parsed.problem}`);
  const unknown = Object.keys(document as object).filter((key) => !CONFIG_KEYS.includes(key));
  const warnings = unknown.map((key) => `config file ${path}: unknown key ${JSON.stringify(key.slice(0, 100))} is ignored`);
  const { cacheDir, ...rest } = parsed.values;
  if (cacheDir === undefined) return { path, values: rest, warnings };
  return { path, values: { ...rest, cacheDir: resolveFrom(path, cacheDir, homeDir) }, warnings };
}

/** No shell expands `~` here, and a relative path means "beside the file": the working directory changes by the run. */
function resolveFrom(configPath: string, value: string, homeDir: string): string {
  if (value === '~' || value.startsWith('~/')) return join(homeDir, value.slice(1));
  return resolve(dirname(configPath), value);
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
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > MAX_CONFIG_BYTES) throw invalid(path, `larger than ${MAX_CONFIG_BYTES} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    if (error instanceof ClipctlError) throw error;
    throw invalid(path, storageError(error, path, 'read').message);
  }
}

function invalid(
  path: string,
  problem: string,
  hint = 'Keys are flag names in camelCase; see docs/errors.md, CONFIG_INVALID.',
): ClipctlError {
  return new ClipctlError('CONFIG_INVALID', `config file ${path}: ${problem}`, { hint, details: { path } });
}
