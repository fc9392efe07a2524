/** The artifact manifest that keeps a layer's blob alive and makes it visible (OCI image specification, "Guidelines for Artifact Usage"). */
import { digestOfHash, parseContentHash, type ContentHash, type Digest } from '../../../oci/digest.ts';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const ARTIFACT_TYPE = 'application/vnd.clipctl.layer.v1';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';
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

/** The same bytes for the same layer, whoever writes it. */
export function layerManifest(hash: ContentHash, sizeBytes: number): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: ARTIFACT_TYPE,
    config: EMPTY_CONFIG,
    layers: [{ mediaType: LAYER_TYPE, digest: digestOfHash(hash), size: sizeBytes }],
  });
}

/** The size of the layer, when `text` is the manifest of exactly this one. */
export function sizeInManifest(text: string, hash: ContentHash): number | undefined {
  const manifest = parseJson(text);
  if (typeof manifest !== 'object' || manifest === null) return undefined;
  const { artifactType, layers } = manifest as { artifactType?: unknown; layers?: unknown };
  if (artifactType !== ARTIFACT_TYPE || !Array.isArray(layers) || layers.length !== 1) return undefined;
  const { digest, size } = (layers[0] ?? {}) as { digest?: unknown; size?: unknown };
  if (digest !== digestOfHash(hash) || typeof size !== 'number') return undefined;
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
