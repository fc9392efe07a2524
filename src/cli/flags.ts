/**
 * Every flag, declared once. oclif parses argv and prints help from this; the value that counts is picked by
 * flag-values.ts (flag, environment, config file, default), so a `default` here is what help shows and what holds.
 */
import { Args, Flags } from '@oclif/core';

/** Environment variable of a flag: `--max-memory` is CLIPCTL_MAX_MEMORY. */
export function environmentName(flag: string): string {
  return `CLIPCTL_${flag.toUpperCase().replaceAll('-', '_')}`;
}

interface OptionSpec {
  readonly name: string;
  readonly summary: string;
  readonly value: string;
  readonly fallback?: string;
  readonly char?: 'o' | 'f';
  readonly group?: string;
}

function option(spec: OptionSpec) {
  return Flags.string({
    description: spec.summary,
    env: environmentName(spec.name),
    helpValue: spec.value,
    ...(spec.fallback === undefined ? {} : { default: spec.fallback }),
    ...(spec.char === undefined ? {} : { char: spec.char }),
    ...(spec.group === undefined ? {} : { helpGroup: spec.group }),
  });
}

/** A flag that may be given many times; in the environment its values are separated by white space. */
function repeatable(spec: OptionSpec) {
  return Flags.string({
    description: `${spec.summary} (repeatable)`,
    env: environmentName(spec.name),
    helpValue: spec.value,
    multiple: true,
    multipleNonGreedy: true,
    ...(spec.char === undefined ? {} : { char: spec.char }),
    ...(spec.group === undefined ? {} : { helpGroup: spec.group }),
  });
}

interface SwitchSpec {
  readonly name: string;
  readonly summary: string;
  readonly char?: 'q' | 'v';
  readonly group?: string;
}

function toggle(spec: SwitchSpec) {
  return Flags.boolean({
    description: spec.summary,
    env: environmentName(spec.name),
    ...(spec.char === undefined ? {} : { char: spec.char }),
    ...(spec.group === undefined ? {} : { helpGroup: spec.group }),
  });
}

const CACHE = 'cache and limit';
const REGISTRY = 'registry';
const OUTPUT = 'output';

export const DEFAULT_MAX_MEMORY = '32MiB';
export const DEFAULT_MAX_LAYER_SIZE = '64GiB';
export const DEFAULT_MAX_ENTRIES = 5_000_000;
export const DEFAULT_TIMEOUT = '30s';
export const DEFAULT_RETRIES = 4;
export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'json', 'none'] as const;

export const DURABILITIES = ['full', 'none'] as const;

/** Flags that every command has. */
export const GLOBAL_FLAGS = {
  'cache-dir': option({ name: 'cache-dir', summary: 'Disk cache; default ~/.cache/clipctl', value: 'DIR', group: CACHE }),
  config: option({ name: 'config', summary: 'Config file; default ~/.config/clipctl/config.json', value: 'FILE', group: CACHE }),
  jobs: option({ name: 'jobs', summary: 'Layers worked on at once; default: cores', value: 'N', group: CACHE }),
  'max-cache-size': option({
    name: 'max-cache-size',
    summary: 'Evict above so many own bytes; default: half of the file system',
    value: 'SIZE',
    group: CACHE,
  }),
  'min-free': option({
    name: 'min-free',
    summary: 'Evict to leave so much free; default: the larger of 1GiB and 5 %',
    value: 'SIZE',
    group: CACHE,
  }),
  shared: toggle({ name: 'shared', summary: 'Share the disk cache with the group that owns it', group: CACHE }),
  'max-memory': option({
    name: 'max-memory',
    summary: 'Layer bytes buffered at once, in the whole process',
    value: 'SIZE',
    fallback: DEFAULT_MAX_MEMORY,
    group: CACHE,
  }),
  'max-layer-size': option({
    name: 'max-layer-size',
    summary: 'Refuse a layer that decompresses to more',
    value: 'SIZE',
    fallback: DEFAULT_MAX_LAYER_SIZE,
    group: CACHE,
  }),
  'max-entries': option({
    name: 'max-entries',
    summary: 'Refuse a layer with more entries',
    value: 'N',
    fallback: String(DEFAULT_MAX_ENTRIES),
    group: CACHE,
  }),
  durability: option({
    name: 'durability',
    summary: 'Flush layers to disk before they are visible (full), or leave it to the system (none)',
    value: 'MODE',
    fallback: 'full',
    group: CACHE,
  }),
  'lock-timeout': option({
    name: 'lock-timeout',
    summary: 'Stop waiting for a layer that another process brings; default: wait as long as it lives',
    value: 'TIME',
    group: CACHE,
  }),
  'allow-foreign': toggle({ name: 'allow-foreign', summary: 'Ask the registry for foreign layers too', group: CACHE }),
  offline: toggle({ name: 'offline', summary: 'Use no network; what is missing is an error', group: REGISTRY }),
  timeout: option({
    name: 'timeout',
    summary: 'Give up on a transfer without a byte for so long',
    value: 'TIME',
    fallback: DEFAULT_TIMEOUT,
    group: REGISTRY,
  }),
  retries: option({
    name: 'retries',
    summary: 'Tries after the first',
    value: 'N',
    fallback: String(DEFAULT_RETRIES),
    group: REGISTRY,
  }),
  'insecure-registry': repeatable({
    name: 'insecure-registry',
    summary: 'Allow plain HTTP or an unverified certificate',
    value: 'HOST',
    group: REGISTRY,
  }),
  mirror: repeatable({
    name: 'mirror',
    summary: 'Ask this registry first for what is of HOST',
    value: 'HOST=URL',
    group: REGISTRY,
  }),
  'max-rate': option({
    name: 'max-rate',
    summary: 'Bytes a second from and to registries and HTTP remotes, all streams together',
    value: 'SIZE',
    group: REGISTRY,
  }),
  'ca-file': option({
    name: 'ca-file',
    summary: 'PEM file of authorities to trust, besides the usual ones',
    value: 'FILE',
    group: REGISTRY,
  }),
  username: option({
    name: 'username',
    summary: 'Registry user, with --password-stdin',
    value: 'NAME',
    group: REGISTRY,
  }),
  'password-stdin': toggle({ name: 'password-stdin', summary: 'Read the password from stdin', group: REGISTRY }),
  json: toggle({ name: 'json', summary: 'Print one JSON document, also for a failure', group: OUTPUT }),
  progress: option({
    name: 'progress',
    summary: `Progress on stderr: ${PROGRESS_MODES.join(', ')}`,
    value: 'MODE',
    fallback: 'auto',
    group: OUTPUT,
  }),
  quiet: toggle({ name: 'quiet', char: 'q', summary: 'Print errors only', group: OUTPUT }),
  verbose: toggle({ name: 'verbose', char: 'v', summary: 'Print more; twice: also stack traces', group: OUTPUT }),
};

export const fromFileFlag = repeatable({
  name: 'from-file',
  char: 'f',
  summary: 'Images named in a list, Kubernetes YAML, compose file or Dockerfile; - is stdin',
  value: 'FILE',
});
export const dryRunFlag = toggle({ name: 'dry-run', summary: 'Show bytes and requests by tier and do nothing' });
export const outputFlag = option({
  name: 'output',
  char: 'o',
  summary: 'Index to write; default <name>-<tag>.clip',
  value: 'FILE.clip',
});
export const platformFlag = option({
  name: 'platform',
  summary: 'Platform; default: linux on this architecture',
  value: 'OS/ARCH',
});
export const onlyPlatformFlag = option({
  name: 'platform',
  summary: 'Only this platform; default: all of the image',
  value: 'OS/ARCH',
});
export const platformsFlag = repeatable({
  name: 'platform',
  summary: 'Platform; default: linux on this architecture',
  value: 'OS/ARCH',
});
export const allPlatformsFlag = toggle({ name: 'all-platforms', summary: 'Every platform of the image index' });
export const storageRefFlag = option({ name: 'storage-ref', summary: 'Image reference to write into the index', value: 'REF' });
export const checkpointIntervalFlag = option({
  name: 'checkpoint-interval',
  summary: 'Content between two checkpoints of a gzip layer',
  value: 'SIZE',
  fallback: '4MiB',
});
export const warmFlag = toggle({ name: 'warm', summary: 'Also keep the layers in the disk cache' });
export const toFlag = repeatable({ name: 'to', summary: 'Also send the layers to this remote cache', value: 'URL' });
export const pushToFlag = repeatable({ name: 'to', summary: 'Remote cache to fill; required', value: 'URL' });
export const fromFlag = repeatable({ name: 'from', summary: 'Remote cache to read', value: 'URL' });
export const strictFlag = toggle({ name: 'strict', summary: 'Refuse what is otherwise a warning' });
export const remoteFlag = option({
  name: 'remote',
  summary: 'What a failing remote is: optional, required',
  value: 'MODE',
  fallback: 'optional',
});
const REACHED = { summary: 'Remote cache to reach; default: those of the config file', value: 'URL' };
export const reachFromFlag = repeatable({ name: 'from', ...REACHED });
export const reachToFlag = repeatable({ name: 'to', ...REACHED });
export const noDiskFlag = toggle({ name: 'no-disk', summary: 'Stream straight into the remotes, keep nothing on disk' });
export const compressFlag = option({
  name: 'compress',
  summary: 'Store layers plain (none) or packed (zstd, zstd:LEVEL with 1 to 19)',
  value: 'MODE',
  fallback: 'none',
});
export const VERIFY_MODES = ['none', 'quick', 'full'] as const;
export const verifyFlag = option({
  name: 'verify',
  summary: `Read back what was moved: ${VERIFY_MODES.join(', ')}`,
  value: 'MODE',
  fallback: 'none',
});
export const repairRemoteFlag = toggle({ name: 'repair-remote', summary: 'Overwrite what a remote holds wrong' });
export const layerFlag = repeatable({ name: 'layer', summary: 'Only this layer, by digest or diffID', value: 'DIGEST' });
export const layersFlag = toggle({ name: 'layers', summary: 'Print every layer in full' });
export const tiersFlag = toggle({ name: 'tiers', summary: 'Print which tier has which layer' });
export const checkWarmFlag = toggle({ name: 'check-warm', summary: 'Exit 10 unless every layer is on disk' });

export const maxSizeFlag = option({
  name: 'max-size',
  summary: 'Own bytes that may stay; default: --max-cache-size',
  value: 'SIZE',
});
export const maxAgeFlag = option({ name: 'max-age', summary: 'Evict layers not used for so long, like 30d', value: 'AGE' });
export const keepFlag = repeatable({ name: 'keep', summary: 'Image or digest that stays', value: 'IMAGE' });
export const fullFlag = toggle({ name: 'full', summary: 'Hash every layer' });
export const againstImageFlag = toggle({
  name: 'full',
  summary: 'Of an index: read its image too, and compare every path, offset, digest and checkpoint',
});
export const subsetFlag = option({ name: 'subset', summary: 'Only part K of N, always the same layers', value: 'K/N' });
export const repairFlag = toggle({ name: 'repair', summary: 'Fetch again what is wrong or missing' });
export const yesFlag = toggle({ name: 'yes', summary: 'Evict without asking' });
export const planFlag = toggle({ name: 'dry-run', summary: 'Show what would go and do nothing' });

const IMAGE_FORMS = 'REF, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or FILE.clip';

/** One image. oclif would read a missing argument from stdin: never. */
export const imageArg = Args.string({ name: 'image', required: true, ignoreStdin: true, description: IMAGE_FORMS });
/** Many images; `--from-file` may name them instead. */
export const imagesArg = Args.string({
  name: 'image',
  ignoreStdin: true,
  multiple: true,
  description: IMAGE_FORMS,
});
/** Whom `doctor` visits. */
export const placesArg = Args.string({
  name: 'place',
  ignoreStdin: true,
  multiple: true,
  description: 'HOST of a registry, image in a registry, or FILE.clip',
});
/** What `index` reads: an index is what it makes. */
export const indexableArg = Args.string({
  name: 'image',
  required: true,
  ignoreStdin: true,
  description: 'REF, oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE',
});
/** An image that was warmed here needs no network. */
const namedArg = { name: 'image', ignoreStdin: true, description: 'IMAGE, digest or diffID' } as const;
export const cachedArg = Args.string({ ...namedArg, required: true });
export const maybeCachedArg = Args.string({ ...namedArg, required: false });
