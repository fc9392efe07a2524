/** The artifact manifest that keeps a layer's blob alive and makes it visible (OCI image specification, "Guidelines for Artifact Usage"). */
import { digestOfHash, parseContentHash, type ContentHash, type Digest } from '../../../oci/digest.ts';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const ARTIFACT_TYPE = 'application/vnd.clipctl.layer.v1';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
const PACKED_TYPE = 'application/vnd.oci.image.layer.v1.tar+zstd';
/** Of a packed layer: whose content it is. */
const DIFF_ID = 'vnd.clipctl.diff-id';
export const MAX_LAYER_MANIFEST_BYTES = 64 * 1024;

/** The empty descriptor of the specification: its blob is `{}`. */
export const EMPTY_CONFIG = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' as Digest,
  size: 2,
} as const;
export const EMPTY_CONFIG_TEXT = '{}';

const TAG_PREFIX = 'clipctl-';

/** Under which the manifest of a layer stands. */
export function tagOf(hash: ContentHash): string {
  return `${TAG_PREFIX}${hash}`;
}

/** `undefined` for a tag of somebody else. */
export function hashOfTag(tag: unknown): ContentHash | undefined {
  if (typeof tag !== 'string' || !tag.startsWith(TAG_PREFIX)) return undefined;
  const hex = tag.slice(TAG_PREFIX.length);
  return /^[0-9a-f]{64}$/.test(hex) ? parseContentHash(hex, 'tag') : undefined;
}

/** Under which the manifest of its packed form stands. */
export function packedTagOf(hash: ContentHash): string {
  return `${tagOf(hash)}.zst`;
}

/** The same bytes for the same layer, whoever writes it. */
export function layerManifest(hash: ContentHash, sizeBytes: number): string {
  return manifestOf({ mediaType: LAYER_TYPE, digest: digestOfHash(hash), size: sizeBytes });
}

export interface PackedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Of the packed form of a layer. */
export function packedLayerManifest(hash: ContentHash, { digest, sizeBytes }: PackedBlob): string {
  const annotations = { [DIFF_ID]: digestOfHash(hash) };
  return manifestOf({ mediaType: PACKED_TYPE, digest, size: sizeBytes, annotations });
}

function manifestOf(layer: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: ARTIFACT_TYPE,
    config: EMPTY_CONFIG,
    layers: [layer],
  });
}

/** The size of the layer, when `text` is the manifest of exactly this one. */
export function sizeInManifest(text: string, hash: ContentHash): number | undefined {
  const { digest, size } = layerIn(text);
  return digest === digestOfHash(hash) ? size : undefined;
}

/** The blob, when `text` is the manifest of exactly this layer's packed form. */
export function packedBlobInManifest(text: string, hash: ContentHash): PackedBlob | undefined {
  const { digest, size, mediaType, annotations } = layerIn(text);
  const diffId = (annotations as Readonly<Record<string, unknown>> | null | undefined)?.[DIFF_ID];
  if (mediaType !== PACKED_TYPE || diffId !== digestOfHash(hash) || size === undefined) return undefined;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined;
  return { digest: digest as Digest, sizeBytes: size };
}

interface LayerJson {
  readonly digest?: unknown;
  readonly mediaType?: unknown;
  readonly annotations?: unknown;
  /** Checked. */
  readonly size?: number | undefined;
}

/** Of a manifest of ours: its one layer. */
function layerIn(text: string): LayerJson {
  const manifest = parseJson(text);
  if (typeof manifest !== 'object' || manifest === null) return {};
  const { artifactType, layers } = manifest as { artifactType?: unknown; layers?: unknown };
  if (artifactType !== ARTIFACT_TYPE || !Array.isArray(layers) || layers.length !== 1) return {};
  const { size, ...layer } = (layers[0] ?? {}) as { size?: unknown };
  const isSize = typeof size === 'number' && Number.isSafeInteger(size) && size >= 0;
  return { ...layer, size: isSize ? size : undefined };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
