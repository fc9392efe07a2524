/** The settings of one run, resolved: what every command has, whatever it does. */
import { availableParallelism } from 'node:os';
import { type ConfigValues, defaultCacheDir, loadConfig, type UserEnvironment } from '../lib/config.ts';
import { ClipctlError } from '../lib/errors.ts';
import { homeOf } from '../lib/home-directory.ts';
import { MIN_MEMORY, parseDurationMs, parseSizeBytes } from '../lib/quantity.ts';
import { FlagValues, type FlagToken } from './flag-values.ts';
import {
  DEFAULT_MAX_ENTRIES,
  DEFAULT_MAX_LAYER_SIZE,
  DEFAULT_MAX_MEMORY,
  DEFAULT_RETRIES,
  DEFAULT_TIMEOUT,
  DURABILITIES,
  PROGRESS_MODES,
} from './flags.ts';

/** What is known of the config file without its values. */
export interface ConfigFileFacts {
  /** Where it is looked for; absent when this user has no place for it. */
  readonly path?: string;
  readonly exists: boolean;
  readonly unknownKeys: readonly string[];
}

export type ProgressMode = (typeof PROGRESS_MODES)[number];

export type Durability = (typeof DURABILITIES)[number];

export interface Settings {
  readonly cacheDir: string;
  readonly maxCacheBytes?: number;
  readonly minFreeBytes?: number;
  readonly shared: boolean;
  readonly jobs: number;
  readonly maxMemoryBytes: number;
  readonly maxLayerBytes: number;
  readonly maxEntries: number;
  readonly allowForeign: boolean;
  readonly durability: Durability;
  readonly lockTimeoutMs?: number;
  readonly offline: boolean;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly insecureRegistries: readonly string[];
  readonly caFile?: string;
  readonly mirrors: readonly string[];
  readonly maxBytesPerSecond?: number;
  readonly username: string | undefined;
  /** Where the password that goes with the username is; the environment has it in CLIPCTL_PASSWORD. */
  readonly passwordFrom: 'stdin' | 'environment' | undefined;
  readonly json: boolean;
  readonly progress: ProgressMode;
  readonly quiet: boolean;
  /** 0, 1 (`-v`) or 2 (`-vv`). */
  readonly verbosity: number;
}

export interface ResolvedSettings {
  readonly settings: Settings;
  readonly values: FlagValues;
  readonly configFile: ConfigFileFacts;
  readonly warnings: readonly string[];
}

/** The real one; tests pass their own. */
export function currentUser(): UserEnvironment {
  return { env: process.env, homeDir: homeOf(process.env) };
}

/** @throws ClipctlError USAGE, CONFIG_INVALID */
export async function resolveSettings(tokens: readonly FlagToken[], user: UserEnvironment): Promise<ResolvedSettings> {
  const configPath = new FlagValues({ tokens, env: user.env, config: {} }).path('config');
  const config = await loadConfig(user, configPath);
  const values = new FlagValues({ tokens, env: user.env, config: config.values });
  const settings: Settings = {
    ...limitSettings(values, config.values, user),
    ...spaceSettings(values, config.values),
    ...registrySettings(values, config.values),
    ...outputSettings(values, config.values),
  };
  const { path, expectedPath, unknownKeys, warnings } = config;
  const place = expectedPath === undefined ? {} : { path: expectedPath };
  return { settings, values, configFile: { ...place, exists: path !== undefined, unknownKeys }, warnings };
}

function limitSettings(values: FlagValues, config: ConfigValues, user: UserEnvironment) {
  const lockTimeoutMs = values.durationMs('lock-timeout') ?? config.lockTimeout;
  return {
    cacheDir: values.path('cache-dir') ?? config.cacheDir ?? defaultCacheDir(user),
    jobs: values.integer('jobs', 1) ?? config.jobs ?? availableParallelism(),
    maxMemoryBytes: values.sizeBytes('max-memory', MIN_MEMORY) ?? config.maxMemory ?? parseSizeBytes(DEFAULT_MAX_MEMORY) ?? 0,
    maxLayerBytes: values.sizeBytes('max-layer-size') ?? config.maxLayerSize ?? parseSizeBytes(DEFAULT_MAX_LAYER_SIZE) ?? 0,
    maxEntries: values.integer('max-entries', 1) ?? config.maxEntries ?? DEFAULT_MAX_ENTRIES,
    allowForeign: values.toggle('allow-foreign', config.allowForeign),
    durability: values.choice('durability', DURABILITIES) ?? config.durability ?? ('full' as const),
    ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
  };
}

/** What is left out has a default that depends on the file system. */
function spaceSettings(values: FlagValues, config: ConfigValues) {
  const maxCacheBytes = values.sizeBytes('max-cache-size') ?? config.maxCacheSize;
  const minFreeBytes = values.sizeBytes('min-free', '0') ?? config.minFree;
  return {
    ...(maxCacheBytes === undefined ? {} : { maxCacheBytes }),
    ...(minFreeBytes === undefined ? {} : { minFreeBytes }),
    shared: values.toggle('shared', config.shared),
  };
}

function registrySettings(values: FlagValues, config: ConfigValues) {
  const caFile = values.path('ca-file') ?? config.caFile;
  const maxBytesPerSecond = values.sizeBytes('max-rate', '16KiB') ?? config.maxRate;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
    mirrors: values.texts('mirror') ?? config.mirror ?? [],
    offline: values.toggle('offline', config.offline),
    timeoutMs: values.durationMs('timeout') ?? config.timeout ?? parseDurationMs(DEFAULT_TIMEOUT) ?? 0,
    retries: values.integer('retries', 0) ?? config.retries ?? DEFAULT_RETRIES,
    insecureRegistries: values.texts('insecure-registry') ?? config.insecureRegistry ?? [],
    ...loginSettings(values, config),
  };
}

/** No flag has the password itself: a command line is for everybody to read. */
function loginSettings(values: FlagValues, config: ConfigValues): Pick<Settings, 'username' | 'passwordFrom'> {
  const username = values.text('username') ?? config.username;
  const isInEnvironment = values.text('password') !== undefined;
  const passwordFrom = values.toggle('password-stdin') ? 'stdin' : isInEnvironment ? 'environment' : undefined;
  if (passwordFrom === 'stdin' && username === undefined) {
    throw new ClipctlError('USAGE', '--password-stdin needs --username');
  }
  if (passwordFrom === 'environment' && username === undefined) {
    throw new ClipctlError('CONFIG_INVALID', 'CLIPCTL_PASSWORD needs --username or CLIPCTL_USERNAME');
  }
  if (values.isGiven('username') && passwordFrom === undefined) {
    throw new ClipctlError('USAGE', '--username needs --password-stdin, or the password in CLIPCTL_PASSWORD', {
      hint: 'Pipe the password in: printf %s "$TOKEN" | clipctl … --username NAME --password-stdin',
    });
  }
  return { username, passwordFrom };
}

function outputSettings(values: FlagValues, config: ConfigValues) {
  return {
    json: values.toggle('json'),
    progress: values.choice('progress', PROGRESS_MODES) ?? config.progress ?? ('auto' as const),
    quiet: values.toggle('quiet', config.quiet),
    verbosity: values.toggle('verbose') ? Math.min(2, Math.max(1, values.occurrences('verbose'))) : 0,
  };
}

/** Remotes to read and to write where no flag names any (`remotes` of the config file). */
export function configuredRemotes(config: ConfigValues): { readonly from: readonly string[]; readonly to: readonly string[] } {
  const remotes = config.remotes ?? [];
  return {
    from: remotes.filter((remote) => remote.mode !== 'wo').map((remote) => remote.url),
    to: remotes.filter((remote) => remote.mode !== 'ro').map((remote) => remote.url),
  };
}
