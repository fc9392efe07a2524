/** What a config file may say. Apart from config.ts, so that valibot is loaded only when there is a file. */
import * as v from 'valibot';
import { MIN_MEMORY, parseDurationMs, parseSizeBytes } from './quantity.ts';

/** Below it streams look like stalled ones. */
const MIN_RATE_BYTES = 16 * 1024;

const sizeBytes = v.pipe(
  v.union([v.string(), v.number()], 'expected a size like "32MiB"'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const bytes = parseSizeBytes(String(dataset.value));
    if (bytes !== undefined) return bytes;
    addIssue({ message: 'expected a size like "32MiB"' });
    return NEVER;
  }),
);

const durationMs = v.pipe(
  v.union([v.string(), v.number()], 'expected a duration like "30s"'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const milliseconds = parseDurationMs(String(dataset.value));
    if (milliseconds !== undefined) return milliseconds;
    addIssue({ message: 'expected a duration like "30s"' });
    return NEVER;
  }),
);

const wholeNumber = v.pipe(
  v.number('expected a whole number'),
  v.safeInteger('expected a whole number'),
  v.minValue(0, 'expected 0 or more'),
);
const text = v.pipe(v.string('expected a string'), v.nonEmpty('expected a string that is not empty'));
const truth = v.boolean('expected true or false');

const remote = v.strictObject(
  {
    url: text,
    mode: v.optional(v.picklist(['ro', 'rw', 'wo'], 'expected "ro", "rw" or "wo"'), 'rw'),
  },
  'expected {"url": …, "mode": "ro|rw|wo"} and nothing else',
);

/** Keys are flag names in camelCase. What decides the shape of one run (`--json`, `--dry-run`, secrets) is not in it. */
export const CONFIG_SCHEMA = v.object(
  {
    cacheDir: v.optional(text),
    jobs: v.optional(v.pipe(wholeNumber, v.minValue(1, 'expected 1 or more'))),
    maxMemory: v.optional(v.pipe(sizeBytes, v.minValue(parseSizeBytes(MIN_MEMORY) ?? 0, `expected at least ${MIN_MEMORY}`))),
    maxCacheSize: v.optional(sizeBytes),
    minFree: v.optional(sizeBytes),
    shared: v.optional(truth),
    timeout: v.optional(durationMs),
    retries: v.optional(wholeNumber),
    offline: v.optional(truth),
    progress: v.optional(v.picklist(['auto', 'tty', 'plain', 'json', 'none'], 'expected auto, tty, plain, json or none')),
    quiet: v.optional(truth),
    insecureRegistry: v.optional(v.array(text, 'expected a list of hosts')),
    caFile: v.optional(text),
    mirror: v.optional(v.array(text, 'expected a list of HOST=URL')),
    maxRate: v.optional(v.pipe(sizeBytes, v.minValue(MIN_RATE_BYTES, 'expected at least 16KiB'))),
    username: v.optional(text),
    maxLayerSize: v.optional(sizeBytes),
    maxEntries: v.optional(wholeNumber),
    allowForeign: v.optional(truth),
    durability: v.optional(v.picklist(['full', 'none'], 'expected full or none')),
    lockTimeout: v.optional(durationMs),
    strict: v.optional(truth),
    remote: v.optional(v.picklist(['optional', 'required'], 'expected optional or required')),
    repairRemote: v.optional(truth),
    compress: v.optional(v.string()),
    verify: v.optional(v.picklist(['none', 'quick', 'full'], 'expected none, quick or full')),
    remotes: v.optional(v.array(remote, 'expected a list of {"url", "mode"}')),
  },
  'expected a JSON object',
);

/** A config file, parsed: sizes in bytes, times in milliseconds. */
export type ConfigValues = v.InferOutput<typeof CONFIG_SCHEMA>;

/** Keys that a config file may have. */
export const CONFIG_KEYS: readonly string[] = Object.keys(CONFIG_SCHEMA.entries);

/** The values, or what is wrong with the first wrong key. */
export function parseConfigValues(
  document: unknown,
): { readonly values: ConfigValues } | { readonly key: string; readonly problem: string } {
  // To valibot an array is an object without the keys it looks for.
  if (Array.isArray(document)) return { key: '', problem: 'expected a JSON object' };
  const result = v.safeParse(CONFIG_SCHEMA, document, { abortEarly: true });
  if (result.success) return { values: result.output };
  const issue = result.issues[0];
  return { key: v.getDotPath(issue) ?? '', problem: issue.message };
}
