/**
 * Image manifests and image indexes: OCI image specification manifest.md and image-index.md, and Docker's schema 2 of both.
 * A document that two readers could take for two things is refused (CVE-2021-41190).
 */
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';
import { parseDigest } from './digest.ts';
import { FieldReader } from './json-fields.ts';
import { DOCKER_MANIFEST, isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST, printable } from './media-types.ts';
import type { Platform } from './platform.ts';
import { parseStrictJson } from './strict-json.ts';

/** Cap on a manifest or image index: what registries accept, and containers/image's own cap. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  /** Bottom layer first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: ReadonlyMap<string, string>;
}

export interface ParseManifestOptions {
  /** For messages: `manifest sha256:…`. */
  readonly what: string;
  /** What the descriptor or the Content-Type header called it; undefined when nothing was said. */
  readonly mediaType?: string | undefined;
}

/**
 * Parses a manifest or an image index.
 * @throws ClipctlError MANIFEST_INVALID, MANIFEST_AMBIGUOUS, DIGEST_INVALID, UNSUPPORTED_DIGEST, UNSUPPORTED_MEDIA_TYPE,
 * LIMIT_MANIFEST_SIZE
 */
export function parseManifest(bytes: Uint8Array, { what, mediaType }: ParseManifestOptions): ImageManifest | ImageIndex {
  const options = { what, code: 'MANIFEST_INVALID', maxBytes: MAX_MANIFEST_BYTES } as const;
  const root = new FieldReader(parseStrictJson(bytes, options), options);
  refuseCaseVariants(root, what);
  const actual = typeOf(root, what, statedType(mediaType));
  if (root.count('schemaVersion') !== 2) throw root.error('schemaVersion', 'must be 2');
  const common = {
    mediaType: actual,
    ...optional('artifactType', root.optionalString('artifactType')),
    annotations: root.stringMap('annotations'),
  };
  if (isIndexType(actual)) return { kind: 'index', ...common, manifests: root.children('manifests').map(readDescriptor) };
  return {
    kind: 'manifest',
    ...common,
    config: readDescriptor(root.child('config')),
    layers: root.children('layers').map(readDescriptor),
  };
}

/** Types that say nothing: servers put them on any file. */
const VAGUE_TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/octet-stream',
  'text/plain',
  'binary/octet-stream',
]);

function statedType(mediaType: string | undefined): string | undefined {
  const bare = mediaType?.split(';', 1)[0]?.trim().toLowerCase();
  return bare === undefined || bare === '' || VAGUE_TYPES.has(bare) ? undefined : bare;
}

/** Decides what the document is; the label outside, the label inside and the fields must all agree. */
function typeOf(root: FieldReader, what: string, stated: string | undefined): string {
  const written = root.optionalString('mediaType');
  if (written !== undefined && stated !== undefined && written.toLowerCase() !== stated) {
    throw ambiguous(what, `its mediaType is ${printable(written)}, but it was announced as ${printable(stated)}`);
  }
  if (root.has('manifests') && (root.has('layers') || root.has('config'))) {
    throw ambiguous(what, 'it has fields of an image index and of a manifest');
  }
  const known = written?.toLowerCase() ?? stated;
  const actual = known ?? typeByFields(root);
  if (root.has('fsLayers') || (!isIndexType(actual) && !isManifestType(actual))) throw unsupported(what, known);
  if (isIndexType(actual) !== root.has('manifests') && (root.has('manifests') || root.has('layers') || root.has('config'))) {
    throw ambiguous(what, `it is called ${printable(actual)}, but its fields say otherwise`);
  }
  return actual;
}

function typeByFields(root: FieldReader): string {
  if (root.has('manifests')) return OCI_INDEX;
  if (root.has('fsLayers')) return DOCKER_MANIFEST;
  return OCI_MANIFEST;
}

const DECISIVE_KEYS = ['schemaVersion', 'mediaType', 'manifests', 'layers', 'config'];

/** Go's decoder takes `Layers` for `layers`; others do not. */
function refuseCaseVariants(root: FieldReader, what: string): void {
  const decisive = new Map(DECISIVE_KEYS.map((key) => [key.toLowerCase(), key]));
  for (const key of root.object.keys()) {
    const meant = key.length <= 20 ? decisive.get(key.toLowerCase()) : undefined;
    if (meant !== undefined && meant !== key) throw ambiguous(what, `it has ${printable(key)} where ${meant} is meant`);
  }
}

function readDescriptor(reader: FieldReader): Descriptor {
  const platform = reader.optionalChild('platform');
  return {
    mediaType: reader.string('mediaType').toLowerCase(),
    digest: parseDigest(reader.string('digest'), reader.where('digest')),
    sizeBytes: reader.count('size'),
    annotations: reader.stringMap('annotations'),
    urls: reader.strings('urls'),
    ...(platform === undefined ? {} : { platform: readPlatform(platform) }),
    ...optional('artifactType', reader.optionalString('artifactType')),
  };
}

function readPlatform(reader: FieldReader): Platform {
  const variant = reader.platformPart('variant');
  const osVersion = reader.optionalString('os.version');
  const osFeatures = reader.strings('os.features');
  return {
    os: reader.platformPart('os') ?? 'unknown',
    architecture: reader.platformPart('architecture') ?? 'unknown',
    ...optional('variant', variant),
    ...optional('osVersion', osVersion),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}

function ambiguous(what: string, problem: string): ClipctlError {
  return new ClipctlError('MANIFEST_AMBIGUOUS', `${what}: ambiguous manifest: ${problem}`, {
    hint: 'Readers could take it for two different things; have the image pushed again by its publisher.',
  });
}

function unsupported(what: string, mediaType: string | undefined): ClipctlError {
  const type = mediaType === undefined ? 'schema 1' : printable(mediaType);
  return new ClipctlError('UNSUPPORTED_MEDIA_TYPE', `${what}: manifests of type ${type} are not supported`, {
    hint: 'Images are read from OCI and Docker schema 2 manifests and indexes; schema 1 images have to be pushed again, artifacts are no images.',
  });
}
