/**
 * From a root document (a manifest or an image index) to one image, and to the list of platforms. Sources differ only in
 * how they get bytes; this is what they share.
 */
import { ClipctlError, errorClassOf, errorCodeOf } from '../errors.ts';
import type { Descriptor, LayerDescriptor } from '../oci/descriptor.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import { MAX_CONFIG_BYTES, parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type ImageIndex, type ImageManifest } from '../oci/manifest.ts';
import { isImageConfigType, isIndexType, isManifestType, printable } from '../oci/media-types.ts';
import { isUnknownPlatform, normalizePlatform, type Platform } from '../oci/platform.ts';
import { tooLarge } from '../oci/strict-json.ts';
import type { OtherManifest, PlatformManifest } from './image-source.ts';
import { assertBytes, digestOf } from './verified-bytes.ts';

/** Gets the bytes of a manifest or a config, unverified; at most `maxBytes` of them. */
export type ReadDocument = (descriptor: Descriptor, kind: 'manifest' | 'config', signal: AbortSignal) => Promise<Uint8Array>;

/** A verified and parsed document. */
export interface ImageDocument<T> {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly content: T;
}

export type ManifestDocument = ImageDocument<ImageManifest>;
export type RootDocument = ImageDocument<ImageManifest | ImageIndex>;

/** An image of the tree before one platform was chosen. */
export interface Candidate extends PlatformManifest {
  readonly descriptor: Descriptor;
}

/** An index in an index is allowed; this deep it is an attack. */
const MAX_INDEX_DEPTH = 4;
/** Documents read to list the platforms of one image. */
const MAX_DOCUMENTS = 200;
/** Bytes of the documents and configs that are kept parsed, together. */
const MAX_TREE_BYTES = 32 * 1024 * 1024;

export class ImageTree {
  readonly #read: ReadDocument;
  readonly #documents = new Map<Digest, RootDocument>();
  readonly #configs = new Map<Digest, ImageConfig>();
  readonly #attestations = new Set<Digest>();
  readonly #others = new Map<Digest, Descriptor>();
  #keptBytes = 0;

  constructor(read: ReadDocument) {
    this.#read = read;
  }

  /** Manifests that `candidates` left out because they only say something about another image. */
  get attestationCount(): number {
    return this.#attestations.size;
  }

  /** What `candidates` left out: attestations, artifacts, and what nobody here knows. */
  get others(): readonly OtherManifest[] {
    return [...this.#others.values()].map((descriptor) => ({
      descriptor,
      readBlobs: async (signal) => {
        if (!isManifestType(descriptor.mediaType)) return this.#readUnknown(descriptor, signal);
        const { content } = await this.manifest(descriptor, signal);
        return [content.config, ...content.layers];
      },
    }));
  }

  /** A registry keeps what it takes for a manifest apart from blobs, and which of them this is nobody says. */
  async #readUnknown(descriptor: Descriptor, signal: AbortSignal): Promise<readonly Descriptor[]> {
    if (descriptor.sizeBytes > MAX_MANIFEST_BYTES) return [descriptor];
    try {
      const bytes = await this.#read(descriptor, 'manifest', signal);
      assertBytes(bytes, descriptor, `manifest ${descriptor.digest}`);
      return [];
    } catch (error) {
      if (errorClassOf(errorCodeOf(error)) !== 'not-found') throw error;
      return [descriptor];
    }
  }

  /** Takes bytes whose digest the caller did not know (a tag). */
  add(bytes: Uint8Array, mediaType: string | undefined): RootDocument {
    const digest = digestOf(bytes);
    const content = parseManifest(bytes, { what: `manifest ${digest}`, mediaType });
    const document = { digest, sizeBytes: bytes.byteLength, content };
    if (!this.#documents.has(digest)) this.#keptBytes += bytes.byteLength;
    this.#documents.set(digest, document);
    return document;
  }

  /** Reads a manifest or index, once, and checks it. */
  async document(descriptor: Descriptor, signal: AbortSignal): Promise<RootDocument> {
    const known = this.#documents.get(descriptor.digest);
    if (known !== undefined) return known;
    const what = `manifest ${descriptor.digest}`;
    if (descriptor.sizeBytes > MAX_MANIFEST_BYTES) throw tooLarge({ what, maxBytes: MAX_MANIFEST_BYTES }, descriptor.sizeBytes);
    if (this.#documents.size >= MAX_DOCUMENTS) {
      throw new ClipctlError('MANIFEST_INVALID', `the image index leads to more than ${MAX_DOCUMENTS} documents`);
    }
    this.#assertRoom(descriptor);
    const bytes = await this.#read(descriptor, 'manifest', signal);
    assertBytes(bytes, descriptor, what);
    return this.add(bytes, descriptor.mediaType);
  }

  /** Reads a manifest; an index or an artifact is refused. */
  async manifest(descriptor: Descriptor, signal: AbortSignal): Promise<ManifestDocument> {
    const { digest, sizeBytes, content } = await this.document(descriptor, signal);
    if (content.kind !== 'manifest') throw new ClipctlError('MANIFEST_INVALID', `manifest ${digest}: it is an image index`);
    return { digest, sizeBytes, content };
  }

  /** Reads the config of a manifest, once, and checks it. */
  async config({ digest, content }: ManifestDocument, signal: AbortSignal): Promise<ImageConfig> {
    const descriptor = content.config;
    refuseArtifact(digest, content);
    const known = this.#configs.get(descriptor.digest);
    if (known !== undefined) return known;
    const what = `config ${descriptor.digest}`;
    if (descriptor.sizeBytes > MAX_CONFIG_BYTES) throw tooLarge({ what, maxBytes: MAX_CONFIG_BYTES }, descriptor.sizeBytes);
    this.#assertRoom(descriptor);
    const bytes = await this.#read(descriptor, 'config', signal);
    assertBytes(bytes, descriptor, what);
    const config = parseImageConfig(bytes, what);
    if (!this.#configs.has(descriptor.digest)) this.#keptBytes += bytes.byteLength;
    this.#configs.set(descriptor.digest, config);
    return config;
  }

  /** Before anything is read: many documents under the cap of one are still too much to keep. */
  #assertRoom({ sizeBytes }: Descriptor): void {
    const total = this.#keptBytes + sizeBytes;
    if (total > MAX_TREE_BYTES) throw tooLarge({ what: 'the documents of this image', maxBytes: MAX_TREE_BYTES }, total);
  }

  /** All images under these descriptors, in order; attestations, artifacts and what is no manifest are left out. */
  async candidates(descriptors: readonly Descriptor[], signal: AbortSignal, depth = 0): Promise<readonly Candidate[]> {
    if (depth >= MAX_INDEX_DEPTH)
      throw new ClipctlError('MANIFEST_INVALID', `image indexes are nested deeper than ${MAX_INDEX_DEPTH}`);
    const found: Candidate[] = [];
    for (const descriptor of descriptors) {
      if (isIndexType(descriptor.mediaType)) {
        const { content } = await this.document(descriptor, signal);
        if (content.kind === 'index') found.push(...(await this.candidates(content.manifests, signal, depth + 1)));
        continue;
      }
      if (isAttestation(descriptor)) this.#attestations.add(descriptor.digest);
      const platform = isManifestType(descriptor.mediaType) ? await this.#platformOf(descriptor, signal) : undefined;
      if (platform === undefined) this.#others.set(descriptor.digest, descriptor);
      else found.push(candidateOf(descriptor, platform));
    }
    return found;
  }

  /** undefined for what is no image. */
  async #platformOf(descriptor: Descriptor, signal: AbortSignal): Promise<Platform | undefined> {
    if (isAttestation(descriptor) || descriptor.artifactType !== undefined) return undefined;
    const platform = descriptor.platform ?? (await this.#platformInside(descriptor, signal));
    return platform === undefined || isUnknownPlatform(platform) ? undefined : platform;
  }

  /** Where an index does not say the platform, the config does; undefined for an artifact. */
  async #platformInside(descriptor: Descriptor, signal: AbortSignal): Promise<Platform | undefined> {
    const manifest = await this.manifest(descriptor, signal);
    if (!isImageConfigType(manifest.content.config.mediaType)) return undefined;
    return platformOfConfig(await this.config(manifest, signal));
  }
}

/** How BuildKit marks provenance and SBOMs in an image index. */
function isAttestation({ annotations }: Descriptor): boolean {
  return annotations.get('vnd.docker.reference.type') === 'attestation-manifest';
}

function candidateOf(descriptor: Descriptor, platform: Platform): Candidate {
  const { digest, sizeBytes } = descriptor;
  return { platform: normalizePlatform(platform), digest, sizeBytes, descriptor };
}

/** The platform a config names; `unknown` where it names none. */
export function platformOfConfig({ os, architecture, variant, osVersion }: ImageConfig): Platform {
  return normalizePlatform({
    os: os === '' ? 'linux' : os,
    architecture: architecture === '' ? 'unknown' : architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { osVersion }),
  });
}

/**
 * The layers with the diffIDs the config promises.
 * @throws ClipctlError MANIFEST_INVALID when they are not as many, or when one digest is promised two contents
 */
export function pairLayers({ digest, content }: ManifestDocument, config: ImageConfig): readonly LayerDescriptor[] {
  if (content.layers.length !== config.diffIds.length) {
    const counts = `${content.layers.length} layers, but its config names ${config.diffIds.length} diffIDs`;
    throw new ClipctlError('MANIFEST_INVALID', `manifest ${digest}: it has ${counts}`, { details: { field: 'layers', digest } });
  }
  const promised = new Map<Digest, DiffId>();
  return content.layers.flatMap((layer, at) => {
    const diffId = config.diffIds[at];
    if (diffId === undefined) return [];
    const before = promised.get(layer.digest) ?? diffId;
    if (before !== diffId) throw twoContents(digest, layer.digest, [before, diffId]);
    promised.set(layer.digest, diffId);
    return [{ ...layer, diffId }];
  });
}

/** Layers are taken by their digest, once: of two promises only one would ever be held to. */
function twoContents(manifest: Digest, layer: Digest, diffIds: readonly DiffId[]): ClipctlError {
  const message = `manifest ${manifest}: layer ${layer} is in it twice, with two diffIDs: ${diffIds.join(' and ')}`;
  return new ClipctlError('MANIFEST_INVALID', message, { details: { field: 'layers', digest: manifest, layer } });
}

function refuseArtifact(digest: Digest, { config, artifactType }: ImageManifest): void {
  if (isImageConfigType(config.mediaType)) return;
  const type = printable(artifactType ?? config.mediaType);
  throw new ClipctlError('UNSUPPORTED_MEDIA_TYPE', `manifest ${digest}: it is an artifact of type ${type}, not an image`, {
    details: { digest },
    hint: 'Only container images have layers that can be indexed and cached.',
  });
}
