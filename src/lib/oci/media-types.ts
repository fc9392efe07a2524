/** Media types that clipctl knows: OCI image specification, media-types.md, and Docker's image manifest v2 schema 2. */
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from './descriptor.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

const MANIFESTS: ReadonlySet<string> = new Set([OCI_MANIFEST, DOCKER_MANIFEST]);
const INDEXES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_MANIFEST_LIST]);
const CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** What to send as Accept when asking for a manifest. */
export const MANIFEST_ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(', ');

export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.has(mediaType);
}

export function isIndexType(mediaType: string): boolean {
  return INDEXES.has(mediaType);
}

/** False for artifacts: their config is no image configuration. */
export function isImageConfigType(mediaType: string): boolean {
  return CONFIGS.has(mediaType);
}

export interface LayerType {
  /** As labelled; the bytes themselves are sniffed when they are read. */
  readonly compression: 'gzip' | 'zstd' | 'none';
  /** Not meant to be pushed to a registry; usually has `urls`. */
  readonly foreign: boolean;
}

const LAYERS: ReadonlyMap<string, LayerType> = new Map([
  ...layerTypes('application/vnd.oci.image.layer.v1.tar', '+', false),
  ...layerTypes('application/vnd.oci.image.layer.nondistributable.v1.tar', '+', true),
  ...layerTypes('application/vnd.docker.image.rootfs.diff.tar', '.', false),
  ...layerTypes('application/vnd.docker.image.rootfs.foreign.diff.tar', '.', true),
]);

function layerTypes(base: string, separator: string, foreign: boolean): [string, LayerType][] {
  return [
    [base, { compression: 'none', foreign }],
    [`${base}${separator}gzip`, { compression: 'gzip', foreign }],
    [`${base}${separator}zstd`, { compression: 'zstd', foreign }],
  ];
}

/** What a media type says of a layer; undefined when it is no layer that clipctl can read. */
export function layerTypeOf(mediaType: string): LayerType | undefined {
  return LAYERS.get(mediaType);
}

/** True for a layer that lies elsewhere: by its type, or because it has `urls`. */
export function isForeignLayer(descriptor: Descriptor): boolean {
  return descriptor.urls.length > 0 || (layerTypeOf(descriptor.mediaType)?.foreign ?? false);
}

/**
 * Called before a layer is read.
 * @throws ClipctlError UNSUPPORTED_MEDIA_TYPE, or FOREIGN_LAYER unless `allowForeign`
 */
export function assertUsableLayer(descriptor: Descriptor, options: { readonly allowForeign: boolean }): void {
  const { digest } = descriptor;
  if (layerTypeOf(descriptor.mediaType) === undefined) {
    const mediaType = printable(descriptor.mediaType);
    throw new ClipctlError('UNSUPPORTED_MEDIA_TYPE', `layer ${digest}: media type ${mediaType} is not supported`, {
      details: { digest, mediaType },
      hint: 'Layers are read as tar, plain or compressed with gzip or zstd; encrypted layers and other artifacts are not.',
    });
  }
  if (isForeignLayer(descriptor) && !options.allowForeign) {
    throw new ClipctlError('FOREIGN_LAYER', `layer ${digest} is a foreign layer: its bytes are not part of the image`, {
      details: { digest },
      hint: 'With --allow-foreign the registry of the image is asked for it.',
    });
  }
}

/** A media type as a message may show it. */
export function printable(mediaType: string): string {
  return JSON.stringify(mediaType.slice(0, 120).replace(/[^\x20-\x7e]/g, '?'));
}
