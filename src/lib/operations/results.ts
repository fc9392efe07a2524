/** What operations return: the JSON documents of CLI.md without `schemaVersion` and `command`. Sizes are integers of bytes. */
import type { DecoderName } from '../compression/decoder.ts';
import type { DiffId, Digest } from '../oci/digest.ts';

export type LayerSource = 'registry' | 'layout' | 'archive' | 'disk' | 'remote' | 'layer-index';
export type ServedBy = 'disk' | 'remote' | 'registry' | 'layout' | 'archive';
export type VerifiedBy = 'digest+diffId' | 'diffId';

export interface MemoryFigures {
  /** The most bytes that were ever leased from the memory budget. */
  readonly peakBufferedBytes: number;
  /** The most resident memory the process had. */
  readonly peakRssBytes: number;
}

export interface IndexedLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly mediaType: string;
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  readonly entries: number;
  readonly checkpoints: number;
  readonly decoder: DecoderName;
  readonly verifiedBy: VerifiedBy;
  /** Compressed bytes that a stopped run had brought; absent when there were none. */
  readonly resumedBytes?: number;
  readonly source: LayerSource;
  /** Remotes (`--to`) that have the layer now; only with --to. */
  readonly stored?: readonly string[];
}

export interface IndexedPlatform {
  /** `os/architecture[/variant]` */
  readonly platform: string;
  readonly manifestDigest: Digest;
  /** Path of the `.clip` as given or defaulted. */
  readonly output: string;
  readonly indexBytes: number;
  /** Paths of the merged tree, the root and special files included. */
  readonly entries: number;
  readonly layers: readonly IndexedLayer[];
}

export interface IndexResult extends MemoryFigures {
  readonly image: string;
  /** Tries after a first one, and resumptions of what was cut. */
  readonly retries: number;
  readonly durationMs: number;
  readonly platforms: readonly IndexedPlatform[];
  readonly warnings: readonly string[];
}

export interface WarmedLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly uncompressedBytes: number;
  readonly servedBy: ServedBy;
  /** Bytes fetched from a remote or a registry for this layer; 0 for disk and local sources. */
  readonly downloadedBytes: number;
  /** Compressed bytes that a stopped run had brought; absent when there were none. */
  readonly resumedBytes?: number;
  /** Remotes (`--to`) that hold it now. */
  readonly stored: readonly string[];
}

export interface WarmedImage {
  readonly image: string;
  readonly platform: string;
  /** What the name stood for in this run; absent where an index does not say it. */
  readonly manifestDigest?: Digest;
  readonly layers: readonly WarmedLayer[];
}

/** What happened at one remote cache in one run. */
export interface RemoteFigures {
  readonly url: string;
  /** How it creates content: in one step that only one of two writers wins, or a look and then a write. */
  readonly creates: 'conditional' | 'head-then-put';
  /** Layers that it served, that it did not have, and that it had wrong. */
  readonly hits: number;
  readonly misses: number;
  readonly corrupt: number;
  /** Calls that failed for another reason. */
  readonly failures: number;
  /** Layers it took, layers it had already, and wrong ones that were overwritten. */
  readonly stored: number;
  readonly skipped: number;
  readonly repaired: number;
  readonly hitBytes: number;
  readonly sentBytes: number;
}

/** One tier, read back after the work. */
export interface VerifiedTier {
  /** `disk`, or the URL of a remote. */
  readonly tier: string;
  readonly layers: number;
  /** Layers that are there and right, as far as was looked. */
  readonly hits: number;
  /** Decompressed sizes of all layers, and of the hits. */
  readonly bytes: number;
  readonly hitBytes: number;
  /** hitBytes / bytes; 1 when there is nothing to hold. */
  readonly hitRatio: number;
  /** Bytes that were read and compared with a digest. */
  readonly checkedBytes: number;
  readonly wrong: readonly { readonly diffId: DiffId; readonly reason: string }[];
}

export interface Verification {
  readonly mode: 'quick' | 'full';
  readonly tiers: readonly VerifiedTier[];
}

export interface WarmResult extends MemoryFigures {
  readonly images: readonly WarmedImage[];
  readonly totals: {
    readonly layers: number;
    readonly downloadedBytes: number;
    /** Absent when nothing was resumed. */
    readonly resumedBytes?: number;
    readonly uncompressedBytes: number;
    readonly requests: number;
    /** Tries after a first one, and resumptions of what was cut. */
    readonly retries: number;
  };
  /** Every remote that was asked or filled. */
  readonly remotes: readonly RemoteFigures[];
  /** Only with --verify. */
  readonly verification?: Verification;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

export interface PushedLayer {
  readonly diffId: DiffId;
  readonly uncompressedBytes: number;
  readonly sentBytes: number;
  readonly chunks: number;
  readonly skipped: boolean;
}

export interface PushResult extends MemoryFigures {
  readonly remotes: readonly {
    readonly url: string;
    readonly creates: RemoteFigures['creates'];
    readonly layers: readonly PushedLayer[];
  }[];
  /** Only with --verify. */
  readonly verification?: Verification;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

export interface InspectedLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly mediaType: string;
  readonly compressedBytes: number;
  /** Known from an index or from the disk cache; absent while nobody has decompressed the layer. */
  readonly uncompressedBytes?: number;
  /** Only from an index. */
  readonly entries?: number;
  readonly checkpoints?: number;
  readonly createdBy?: string;
  readonly tiers: { readonly disk: boolean; readonly remote: Readonly<Record<string, boolean>> };
}

export interface InspectResult {
  readonly image: string;
  readonly platform: string;
  readonly manifestDigest: Digest;
  /** All platforms of the image index. */
  readonly platforms?: readonly { readonly platform: string; readonly digest: Digest }[];
  readonly config: {
    readonly created?: string;
    readonly author?: string;
    readonly user?: string;
    readonly workingDir?: string;
    readonly entrypoint?: readonly string[];
    readonly cmd?: readonly string[];
    readonly env?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly exposedPorts?: readonly string[];
    readonly volumes?: readonly string[];
    readonly stopSignal?: string;
  };
  readonly layers: readonly InspectedLayer[];
  readonly totals: {
    readonly layers: number;
    readonly compressedBytes: number;
    readonly uncompressedBytes?: number;
    readonly entries?: number;
    /** Layers and compressed bytes that stand verified in the disk cache. */
    readonly warmLayers: number;
    readonly warmBytes: number;
  };
  /** Every layer stands verified on disk. */
  readonly warm: boolean;
  readonly warnings: readonly string[];
}

/** `layer-index`: an earlier `index` read the layer, and nothing is read now. */
export type Tier = 'disk' | 'remote' | 'registry' | 'layout' | 'archive' | 'layer-index';

export interface PlannedLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly compressedBytes: number;
  /** Tier that would serve it. */
  readonly tier: Tier;
  /** Remotes it would be sent to. */
  readonly sendTo: readonly string[];
}

/** `--dry-run`: what would be done, and nothing was. */
export interface PlanResult {
  readonly dryRun: true;
  readonly images: readonly { readonly image: string; readonly platform: string; readonly layers: readonly PlannedLayer[] }[];
  /** Bytes to move and requests to make for blobs, by tier; each layer counts once. */
  readonly tiers: Readonly<Record<string, { readonly layers: number; readonly bytes: number; readonly requests: number }>>;
  /** Layers to send, by remote; bytes only where the decompressed size is known. */
  readonly sends: Readonly<Record<string, { readonly layers: number; readonly bytes?: number }>>;
  readonly warnings: readonly string[];
}
