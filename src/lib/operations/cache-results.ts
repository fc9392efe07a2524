/** What the `cache` commands return: their JSON documents without `schemaVersion` and `command`. Sizes are disk blocks in bytes. */
import type { KeepReason } from '../cache/disk/eviction-plan.ts';
import type { DiffId, Digest } from '../oci/digest.ts';

export interface CacheLimits {
  /** Above so many own bytes layers are evicted; absent when there is no limit. */
  readonly maxCacheBytes?: number;
  readonly minFreeBytes: number;
  /** Free space of the file system; absent when it does not tell. */
  readonly freeBytes?: number;
}

export interface ImageUsage {
  readonly image: string;
  readonly platform: string;
  readonly layers: number;
  /** Layers of it that stand on disk. */
  readonly warmLayers: number;
  readonly diskBytes: number;
  /** What no other image uses: this is what evicting it gains. */
  readonly uniqueBytes: number;
  readonly lastUsed: string;
  readonly pinned: boolean;
}

export interface CacheUsageResult extends CacheLimits {
  readonly path: string;
  /** All that stands in the directory, as `du` counts it. */
  readonly totalBytes: number;
  /** What counts against the limit: layers and our own state. */
  readonly ownBytes: number;
  readonly layers: { readonly count: number; readonly diskBytes: number };
  /** Transfers under way, or left by a run that was killed. */
  readonly ingestBytes: number;
  /** Records, leases, layer indexes. */
  readonly stateBytes: number;
  /** What others put there: never touched. */
  readonly foreign: { readonly files: number; readonly diskBytes: number };
  /** Layers that no image which was warmed here uses. */
  readonly unnamed: { readonly layers: number; readonly diskBytes: number };
  readonly images: readonly ImageUsage[];
  readonly warnings: readonly string[];
}

export interface ListedLayer {
  readonly diffId: DiffId;
  readonly state: 'verified' | 'unverified' | 'missing' | 'bad';
  readonly uncompressedBytes: number;
  readonly diskBytes: number;
  readonly lastUsed?: string;
  /** Compressed digests it was seen under. */
  readonly digests: readonly Digest[];
  readonly images: readonly string[];
  readonly pinned: boolean;
  /** A running process reads or warms it. */
  readonly leased: boolean;
}

export interface CacheListResult {
  readonly path: string;
  readonly layers: readonly ListedLayer[];
  readonly warnings: readonly string[];
}

export interface PrunedLayer {
  readonly diffId: DiffId;
  readonly diskBytes: number;
  readonly lastUsed?: string;
  readonly images: readonly string[];
}

export interface PruneResult extends CacheLimits {
  readonly path: string;
  /** True: this is the plan, and nothing was done. */
  readonly dryRun: boolean;
  readonly ownBytes: number;
  readonly evicted: readonly PrunedLayer[];
  readonly freedBytes: number;
  /** Layers that would have gone, and why they stay. */
  readonly kept: readonly (PrunedLayer & { readonly reason: KeepReason })[];
  /** What is still above the limits. */
  readonly shortBytes: number;
  readonly warnings: readonly string[];
}

export interface CachePathResult {
  readonly path: string;
  /** Of the image or digest that was named: where its layers stand or would stand. */
  readonly layers: readonly { readonly diffId: DiffId; readonly path: string; readonly warm: boolean }[];
  readonly warnings: readonly string[];
}

/** `size`: not the size it was committed with. `content`: another sha256. `no-file`: no regular file. `unreadable`: its owner may not read it. */
export type DamageReason = 'size' | 'content' | 'no-file' | 'unreadable';

export interface CorruptLayer {
  readonly diffId: DiffId;
  readonly path: string;
  readonly reason: DamageReason;
  readonly images: readonly string[];
}

export interface RepairedLayer {
  readonly diffId: DiffId;
  /** `dropped`: the wrong file is gone; `forgotten`: so is the record of a missing one. Neither could be fetched. */
  readonly by: 'fetched' | 'dropped' | 'forgotten';
  /** The image it was fetched for. */
  readonly from?: string;
}

export interface CacheVerifyResult {
  readonly path: string;
  /** Every layer was hashed; else only those that are not the file of their record. */
  readonly full: boolean;
  readonly checked: number;
  /** Still there, and wrong. */
  readonly corrupt: readonly CorruptLayer[];
  /** Recorded, and gone. */
  readonly missing: readonly { readonly diffId: DiffId; readonly images: readonly string[] }[];
  /** Files nobody vouches for, which were not hashed. */
  readonly unverified: readonly DiffId[];
  /** By this call. What another process has mended meanwhile stands in none of these lists. */
  readonly repaired: readonly RepairedLayer[];
  /** Of the layers checked. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

export interface CachePinsResult {
  /** All that stand now. */
  readonly pins: readonly { readonly name: string; readonly diffIds: readonly DiffId[] }[];
  readonly warnings: readonly string[];
}
