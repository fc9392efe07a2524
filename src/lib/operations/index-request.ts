import type { Platform } from '../oci/platform.ts';

/** What `index` is asked for. */
export interface IndexRequest {
  readonly image: string;
  /** Where the `.clip` goes; default: named after the image, in the working directory. */
  readonly output?: string;
  /** Empty = the default one. */
  readonly platforms: readonly Platform[];
  readonly allPlatforms: boolean;
  /** The registry reference that a reader of the index fetches layers from. */
  readonly storageRef?: string;
  /** Decompressed bytes between two checkpoints of a gzip layer; default 4 MiB. */
  readonly checkpointIntervalBytes?: number;
  /** Keep the layers in the disk cache. */
  readonly warm: boolean;
  /** Remotes to fill out of the same pass; the layers are kept on disk then, from where they are sent. */
  readonly to: readonly string[];
  /** Remotes that nothing may be written to. */
  readonly readOnly?: readonly string[];
  /** Refuse an image whose layers say something odd, instead of warning. */
  readonly strict: boolean;
}
