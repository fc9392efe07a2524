import type { Readable } from 'node:stream';
import type { AheadStore } from '../http/ahead-store.ts';
import type { Descriptor, LayerDescriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/image-config.ts';
import type { Platform } from '../oci/platform.ts';

/** One manifest of an image index, as far as choosing a platform needs it. */
export interface PlatformManifest {
  readonly platform: Platform;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** An image pinned to one manifest. Everything here was verified against its digest. */
export interface ResolvedImage {
  /** As the user named it. */
  readonly reference: string;
  /** Where it came from; undefined for a layout or an archive (FORMATS §1 "What we write" 3). */
  readonly origin?: { readonly registry: string; readonly repository: string; readonly tag?: string };
  readonly manifestDigest: Digest;
  readonly manifestMediaType: string;
  readonly manifestBytes: number;
  readonly platform: Platform;
  /** As the image index that it was chosen from writes it; undefined where that says nothing. */
  readonly listedPlatform?: Platform;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  /** Bottom layer first; as many as the config has diffIDs. */
  readonly layers: readonly LayerDescriptor[];
  /** All platforms of the image index it was chosen from; undefined for a single manifest. */
  readonly platforms?: readonly PlatformManifest[];
  readonly warnings: readonly string[];
}

export interface ResolveOptions {
  readonly signal: AbortSignal;
  /** What to choose from an image index; default: linux on the host's architecture. */
  readonly platform?: Platform;
  /**
   * Exactly this manifest of the image index (`PlatformManifest.digest`): several may have the same platform. Where the
   * index lists it for several platforms, `platform` chooses, or the first counts.
   */
  readonly digest?: Digest;
}

export interface OpenBlobOptions {
  readonly signal: AbortSignal;
  /** Only these bytes (a Range request); `end` is exclusive. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Several ranges of it may be asked for at once where that is faster. Default: one request, and more only after a cut. */
  readonly isParallel?: boolean;
  /** With `isParallel`: where what comes before its turn outlives this process. It is closed with the stream. */
  readonly ahead?: AheadStore;
  /** What came the first time was not what the digest says: what a mirror has is not asked for again. */
  readonly isRefetch?: boolean;
}

/** What an image index lists and that is no image: an attestation, another artifact, or something of an unknown type. */
export interface OtherManifest {
  readonly descriptor: Descriptor;
  /** Its config and layers; the manifest itself is verified. Of an unknown type: itself, unless it has been. @throws as `resolve` */
  readBlobs(signal: AbortSignal): Promise<readonly Descriptor[]>;
}

/** Where an image comes from. Bytes are *not* verified here: the reader of a blob does that (pipeline, manifest fetch). */
/** Documents that earlier runs have seen, by digest. */
export interface DocumentStore {
  /** Unverified; undefined = none. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Takes one whose digest holds. */
  offer(digest: Digest, bytes: Uint8Array): void;
}

export interface ImageSource {
  readonly kind: 'registry' | 'layout' | 'archive';
  /**
   * Pins the reference to one manifest and reads manifest and config, both verified.
   * @throws ClipctlError IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND, MANIFEST_INVALID, DIGEST_MISMATCH, NETWORK, UNAUTHORIZED …
   */
  resolve(options: ResolveOptions): Promise<ResolvedImage>;
  /** The platforms that can be asked for: of the image index, or the single one of the image. */
  listPlatforms(options: { signal: AbortSignal }): Promise<readonly PlatformManifest[]>;
  /** What the image index lists beside images. Absent where there can be none. */
  listOthers?(options: { signal: AbortSignal }): Promise<readonly OtherManifest[]>;
  /**
   * The raw (compressed) bytes of a blob.
   * @throws ClipctlError BLOB_NOT_FOUND, NETWORK, …
   */
  openBlob(descriptor: Descriptor, options: OpenBlobOptions): Promise<Readable>;
  /** Requests made so far; 0 for local sources. */
  readonly requestCount: number;
  close(): Promise<void>;
}
