import { parseDigest, type DiffId } from './digest.ts';
import { FieldReader } from './json-fields.ts';
import { parseStrictJson } from './strict-json.ts';

/** Cap on a config blob, as containers/image has it. */
export const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** OCI image specification, config.md: the fields clipctl uses, checked. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly author?: string;
  /** RFC 3339 as written. */
  readonly created?: string;
  readonly dockerVersion?: string;
  readonly diffIds: readonly DiffId[];
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string;
  /** `created_by` of each history step that made a layer, in layer order, as far as the history says. */
  readonly createdBy: readonly (string | undefined)[];
}

/**
 * Parses an image configuration (OCI image specification, config.md). Fields that some builders leave out (os,
 * architecture) are then empty.
 * @throws ClipctlError CONFIG_BLOB_INVALID with the path of the field, DIGEST_INVALID, LIMIT_MANIFEST_SIZE
 */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  const options = { what, code: 'CONFIG_BLOB_INVALID', maxBytes: MAX_CONFIG_BYTES } as const;
  const root = new FieldReader(parseStrictJson(bytes, options), options);
  const run = root.optionalChild('config');
  return {
    architecture: root.platformPart('architecture') ?? '',
    os: root.platformPart('os') ?? '',
    ...optional('variant', root.platformPart('variant')),
    ...optional('osVersion', root.optionalString('os.version')),
    ...(root.has('os.features') ? { osFeatures: root.strings('os.features') } : {}),
    ...optional('author', root.optionalString('author')),
    ...optional('created', root.optionalString('created')),
    ...optional('dockerVersion', root.optionalString('docker_version')),
    diffIds: readDiffIds(root),
    env: run?.strings('Env') ?? [],
    cmd: run?.strings('Cmd') ?? [],
    entrypoint: run?.strings('Entrypoint') ?? [],
    user: run?.optionalString('User') ?? '',
    workingDir: run?.optionalString('WorkingDir') ?? '',
    labels: run?.stringMap('Labels') ?? new Map(),
    exposedPorts: run?.keys('ExposedPorts') ?? [],
    volumes: run?.keys('Volumes') ?? [],
    stopSignal: run?.optionalString('StopSignal') ?? '',
    createdBy: readCreatedBy(root),
  };
}

function readDiffIds(root: FieldReader): readonly DiffId[] {
  const rootfs = root.child('rootfs');
  if (rootfs.string('type') !== 'layers') throw rootfs.error('type', 'must be "layers"');
  return rootfs.strings('diff_ids').map((text, at) => parseDigest(text, `${rootfs.where('diff_ids')}[${at}]`));
}

function readCreatedBy(root: FieldReader): readonly (string | undefined)[] {
  const steps = root.children('history').filter((step) => step.optionalBoolean('empty_layer') !== true);
  return steps.map((step) => step.optionalString('created_by'));
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}
