/** One result of each `cache` command with every field filled in: rendered against golden files, validated against the schemas. */
import type {
  CacheListResult,
  CachePathResult,
  CachePinsResult,
  CacheUsageResult,
  CacheVerifyResult,
  PruneResult,
} from '../../src/lib/operations/cache-results.ts';
import { digestOf } from './documents.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const PATH = '/var/cache/clipctl';
const SHOP = 'ghcr.io/acme/shop:2.4';
const LIMITS = { maxCacheBytes: 20 * GIB, minFreeBytes: 5 * GIB, freeBytes: 64 * GIB };

export const CACHE_USAGE: CacheUsageResult = {
  path: PATH,
  totalBytes: 3 * GIB + 20 * MIB,
  ownBytes: 3 * GIB,
  layers: { count: 14, diskBytes: 2.5 * GIB },
  ingestBytes: 500 * MIB,
  stateBytes: 12 * MIB,
  foreign: { files: 3, diskBytes: 20 * MIB },
  unnamed: { layers: 2, diskBytes: 80 * MIB },
  ...LIMITS,
  images: [
    {
      image: SHOP,
      platform: 'linux/amd64',
      layers: 12,
      warmLayers: 12,
      diskBytes: 2_400_000_000,
      uniqueBytes: 1_500_000_000,
      lastUsed: '2026-11-23T21:40:11.123Z',
      pinned: true,
    },
    {
      image: 'oci:/home/ci/builds/a-rather-long-name-of-a-project/layout:nightly\u001b[31m',
      platform: 'linux/arm64/v8',
      layers: 7,
      warmLayers: 5,
      diskBytes: 900 * MIB,
      uniqueBytes: 0,
      lastUsed: '2026-10-01T06:00:00.000Z',
      pinned: false,
    },
  ],
  warnings: ['1 of the layers are missing or no files that can be read: run clipctl cache verify'],
};

export const CACHE_LIST: CacheListResult = {
  path: PATH,
  layers: [
    {
      diffId: digestOf('1'),
      state: 'verified',
      uncompressedBytes: 77_824_000,
      diskBytes: 77_824_000,
      lastUsed: '2026-11-23T21:40:11.123Z',
      digests: [digestOf('a'), digestOf('b')],
      images: [SHOP, 'docker.io/library/debian:12'],
      pinned: true,
      leased: true,
    },
    ...(['unverified', 'missing', 'bad'] as const).map((state, at) => ({
      diffId: digestOf(String(at + 2)),
      state,
      uncompressedBytes: 0,
      diskBytes: 0,
      digests: [],
      images: [],
      pinned: false,
      leased: false,
    })),
  ],
  warnings: [],
};

export const CACHE_PATH: CachePathResult = {
  path: PATH,
  layers: [{ diffId: digestOf('1'), path: `${PATH}/${'1'.repeat(64)}`, warm: true }],
  warnings: [],
};

export const PRUNED: PruneResult = {
  path: PATH,
  dryRun: true,
  ownBytes: 3 * GIB,
  evicted: [{ diffId: digestOf('1'), diskBytes: 200 * MIB, lastUsed: '2026-10-01T06:00:00.000Z', images: [SHOP] }],
  freedBytes: 200 * MIB,
  kept: [{ diffId: digestOf('2'), diskBytes: 100 * MIB, images: [], reason: 'pinned' }],
  shortBytes: 4096,
  ...LIMITS,
  warnings: ['4096 bytes above the budget: the rest is pinned'],
};

export const CACHE_VERIFIED: CacheVerifyResult = {
  path: PATH,
  full: true,
  checked: 14,
  corrupt: (['size', 'content', 'no-file', 'unreadable'] as const).map((reason, at) => ({
    diffId: digestOf(String(at + 1)),
    path: `${PATH}/${String(at + 1).repeat(64)}`,
    reason,
    images: [SHOP],
  })),
  missing: [{ diffId: digestOf('5'), images: [] }],
  unverified: [digestOf('6')],
  repaired: [
    { diffId: digestOf('7'), by: 'fetched', from: SHOP },
    { diffId: digestOf('8'), by: 'dropped' },
    { diffId: digestOf('9'), by: 'forgotten' },
  ],
  bytes: 3 * GIB,
  durationMs: 2140,
  warnings: ['layer 888888888888 is no longer in the cache'],
};

export const PINS: CachePinsResult = {
  pins: [{ name: SHOP, diffIds: [digestOf('1'), digestOf('2')] }],
  warnings: [],
};
