/** What one run of an operation works with. Built once from the resolved configuration, closed at the end. */
import type { ProgressListener } from '../pipeline/progress.ts';

export interface SessionOptions {
  readonly cacheDir: string;
  /** Above so many own bytes the disk cache evicts. Default: half of the file system. */
  readonly maxCacheBytes?: number;
  /** The disk cache evicts, and then refuses, to leave so much free. Default: the larger of 1 GiB and 5 %. */
  readonly minFreeBytes?: number;
  /** The disk cache is a group's. Default: its owner's. */
  readonly shared?: boolean;
  /** Layers (and remotes) worked on at once. */
  readonly jobs: number;
  readonly maxMemoryBytes: number;
  readonly offline: boolean;
  /** Give up on a transfer that has moved no byte for so long. */
  readonly timeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  readonly maxLayerBytes: number;
  readonly maxEntries: number;
  readonly allowForeign: boolean;
  /** `none` leaves out the flushes that make a layer outlive a power loss. Default `full`. */
  readonly durability?: 'full' | 'none';
  /** Waiting for a layer that another process brings ends after so long; default: as long as that process lives. */
  readonly lockTimeoutMs?: number;
  /** `host[:port]` that may be spoken to over plain HTTP or with an unverified certificate. */
  readonly insecureRegistries: readonly string[];
  /** `HOST=URL`: asked before the registry HOST, in order. */
  readonly mirrors?: readonly string[];
  /** Bytes a second that all streams from and to registries and HTTP remotes share. Default: as fast as it goes. */
  readonly maxBytesPerSecond?: number;
  /** PEM file of authorities to trust besides the system's. */
  readonly caFile?: string;
  /** For the one registry of this run; `origin` is how the user gave them: `--username`, `CLIPCTL_PASSWORD`. */
  readonly credentials?: { readonly username: string; readonly password: string; readonly origin?: string };
  /** Nothing else runs in this process: V8 may be told how it collects garbage. Default: it is left as it is. */
  readonly ownsProcess?: boolean;
  readonly onProgress: ProgressListener;
  readonly signal: AbortSignal;
}
