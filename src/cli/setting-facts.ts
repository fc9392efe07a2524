/** Every setting as it is in force, with who said so: what `doctor` shows. Addresses are shown without their secrets. */
import type { ConfigValues } from '../lib/config.ts';
import type { SettingFact } from '../lib/operations/doctor-results.ts';
import { redactText } from '../lib/redact.ts';
import type { Environment, FlagValues } from './flag-values.ts';
import * as flags from './flags.ts';
import { compressRequest, fromRequest, toRequest, verifyRequest } from './request-values.ts';
import type { Settings } from './settings.ts';

type Row = readonly [name: string, value: SettingFact['value'] | undefined, unit?: SettingFact['unit']];

/** Variables that are read and are no flag. */
const OTHER_VARIABLES = [
  'CLIPCTL_LOCKS',
  'CLIPCTL_PASSWORD',
  'CLIPCTL_HTTP_TOKEN',
  'CLIPCTL_REDIS_USERNAME',
  'CLIPCTL_REDIS_PASSWORD',
];

/** @throws ClipctlError USAGE, CONFIG_INVALID for one that has a wrong value */
export function describeSettings(settings: Settings, values: FlagValues): readonly SettingFact[] {
  return [...cacheRows(settings), ...registryRows(settings), ...commandRows(values), ...outputRows(settings)].map(
    ([name, value = null, unit]) => ({
      name,
      value: withoutSecrets(value),
      ...(unit === undefined ? {} : { unit }),
      origin: originOf(name, values),
    }),
  );
}

/** `CLIPCTL_…` that nothing reads: misspelt, or of another version. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = new Set<string | undefined>(OTHER_VARIABLES);
  for (const declared of [...Object.values(flags), ...Object.values(flags.GLOBAL_FLAGS)]) {
    if (typeof declared === 'object' && 'env' in declared) known.add(declared.env);
  }
  return Object.keys(env)
    .filter((name) => name.startsWith('CLIPCTL_') && !known.has(name))
    .sort();
}

function cacheRows(settings: Settings): readonly Row[] {
  return [
    ['cache-dir', settings.cacheDir],
    ['jobs', settings.jobs],
    ['max-memory', settings.maxMemoryBytes, 'bytes'],
    ['max-cache-size', settings.maxCacheBytes, 'bytes'],
    ['min-free', settings.minFreeBytes, 'bytes'],
    ['shared', settings.shared],
    ['durability', settings.durability],
    ['lock-timeout', settings.lockTimeoutMs, 'ms'],
    ['max-layer-size', settings.maxLayerBytes, 'bytes'],
    ['max-entries', settings.maxEntries],
    ['allow-foreign', settings.allowForeign],
  ];
}

function registryRows(settings: Settings): readonly Row[] {
  return [
    ['offline', settings.offline],
    ['timeout', settings.timeoutMs, 'ms'],
    ['retries', settings.retries],
    ['max-rate', settings.maxBytesPerSecond, 'bytes'],
    ['insecure-registry', settings.insecureRegistries],
    ['mirror', settings.mirrors],
    ['ca-file', settings.caFile],
    ['username', settings.username],
  ];
}

/** Settings of single commands that the environment or the config file may hold. */
function commandRows(values: FlagValues): readonly Row[] {
  const { config } = values;
  const { compress } = compressRequest(values);
  return [
    ['from', fromRequest(values)],
    ['to', toRequest(values)],
    ['remote', values.choice('remote', ['optional', 'required']) ?? config.remote ?? 'optional'],
    ['repair-remote', values.toggle('repair-remote', config.repairRemote)],
    ['verify', verifyRequest(values)],
    ['compress', compress === undefined ? 'none' : `zstd:${compress.level}`],
    ['strict', values.toggle('strict', config.strict)],
  ];
}

function outputRows(settings: Settings): readonly Row[] {
  return [
    ['progress', settings.progress],
    ['quiet', settings.quiet],
  ];
}

function originOf(name: string, values: FlagValues): SettingFact['origin'] {
  return values.originOf(name) ?? (isConfigured(name, values.config) ? 'config' : 'default');
}

function isConfigured(name: string, config: ConfigValues): boolean {
  const isRemotes = name === 'from' || name === 'to';
  const key = isRemotes ? 'remotes' : name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(config, key);
}

function withoutSecrets(value: SettingFact['value']): SettingFact['value'] {
  if (typeof value === 'string') return redactText(value);
  return Array.isArray(value) ? value.map((each: string) => redactText(each)) : value;
}
