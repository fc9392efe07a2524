import type { DiffId, Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** OCI image specification, descriptor.md: what a manifest says of a blob. Parsed: every field was checked. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly annotations: ReadonlyMap<string, string>;
  /** Where a foreign layer may be had; never followed: --allow-foreign asks the registry itself. */
  readonly urls: readonly string[];
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** A layer of a resolved image: its descriptor together with the diffID the config promises. */
export interface LayerDescriptor extends Descriptor {
  readonly diffId: DiffId;
}
