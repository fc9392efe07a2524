/** One result of each kind with every field filled in: rendered against golden files, validated against the schemas. */
import type { Digest } from '../../src/lib/oci/digest.ts';
import type { IndexResult, InspectResult, PlanResult, PushResult, WarmResult } from '../../src/lib/operations/results.ts';

/** A digest of one repeated hex digit. */
export function digestOf(digit: string): Digest {
  return `sha256:${digit.repeat(64)}` as Digest;
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const NEAR = 'file:///mnt/cache';
const FAR = 'file:///srv/far-away/clipctl';
const MIB = 1024 ** 2;

export const INDEX: IndexResult = {
  image: 'ghcr.io/acme/shop:2.4',
  retries: 0,
  durationMs: 2140,
  platforms: [
    {
      platform: 'linux/amd64',
      manifestDigest: digestOf('a'),
      output: 'shop-2.4.linux-amd64.clip',
      indexBytes: 2_201_344,
      entries: 14_210,
      layers: [
        {
          digest: digestOf('1'),
          diffId: digestOf('2'),
          mediaType: LAYER,
          compressedBytes: 29_124_210,
          uncompressedBytes: 77_824_000,
          entries: 3315,
          checkpoints: 19,
          decoder: 'node-zlib',
          verifiedBy: 'digest+diffId',
          source: 'registry',
          stored: [NEAR],
        },
        {
          digest: digestOf('3'),
          diffId: digestOf('4'),
          mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
          compressedBytes: 812,
          uncompressedBytes: 10_240,
          entries: 4,
          checkpoints: 1,
          decoder: 'wasm-zstd',
          verifiedBy: 'diffId',
          source: 'disk',
          stored: [NEAR, FAR],
        },
      ],
    },
    { platform: 'linux/arm64', manifestDigest: digestOf('b'), output: 'empty.clip', indexBytes: 301, entries: 1, layers: [] },
  ],
  peakBufferedBytes: 25_165_824,
  peakRssBytes: 120 * MIB,
  warnings: ['/dev/x: device left out'],
};

export const WARM: WarmResult = {
  images: [
    {
      image: 'ghcr.io/acme/shop:2.4',
      platform: 'linux/amd64',
      manifestDigest: digestOf('a'),
      layers: [
        {
          digest: digestOf('1'),
          diffId: digestOf('2'),
          uncompressedBytes: 77_824_000,
          servedBy: 'disk',
          downloadedBytes: 0,
          stored: [NEAR],
        },
        {
          digest: digestOf('3'),
          diffId: digestOf('4'),
          uncompressedBytes: 10_485_760,
          servedBy: 'remote',
          downloadedBytes: 10_485_760,
          stored: [NEAR, FAR],
        },
        {
          digest: digestOf('5'),
          diffId: digestOf('6'),
          uncompressedBytes: 5_242_880,
          servedBy: 'registry',
          downloadedBytes: 1_572_864,
          stored: [NEAR],
        },
      ],
    },
    {
      image: 'oci:layout:base',
      platform: 'linux/arm/v7',
      layers: [
        {
          digest: digestOf('1'),
          diffId: digestOf('2'),
          uncompressedBytes: 77_824_000,
          servedBy: 'disk',
          downloadedBytes: 0,
          stored: [],
        },
      ],
    },
  ],
  totals: { layers: 3, downloadedBytes: 12_058_624, uncompressedBytes: 93_552_640, requests: 7, retries: 1 },
  remotes: [
    {
      url: NEAR,
      creates: 'conditional',
      hits: 0,
      misses: 1,
      corrupt: 1,
      failures: 0,
      stored: 2,
      skipped: 0,
      repaired: 1,
      hitBytes: 0,
      sentBytes: 93_552_640,
    },
    {
      url: FAR,
      creates: 'head-then-put',
      hits: 1,
      misses: 1,
      corrupt: 0,
      failures: 2,
      stored: 0,
      skipped: 1,
      repaired: 0,
      hitBytes: 10_485_760,
      sentBytes: 0,
    },
  ],
  durationMs: 61_400,
  peakBufferedBytes: 8 * MIB,
  peakRssBytes: 100 * MIB,
  warnings: [],
};

export const PUSH: PushResult = {
  remotes: [
    {
      url: NEAR,
      creates: 'conditional',
      layers: [
        { diffId: digestOf('2'), uncompressedBytes: 77_824_000, sentBytes: 77_824_000, chunks: 3, skipped: false },
        { diffId: digestOf('4'), uncompressedBytes: 10_240, sentBytes: 0, chunks: 0, skipped: true },
      ],
    },
    { url: FAR, creates: 'head-then-put', layers: [] },
  ],
  verification: {
    mode: 'quick',
    tiers: [
      {
        tier: NEAR,
        layers: 2,
        hits: 1,
        bytes: 77_834_240,
        hitBytes: 77_824_000,
        hitRatio: 0.9998,
        checkedBytes: 12_582_912,
        wrong: [{ diffId: digestOf('4'), reason: 'it is not there' }],
      },
    ],
  },
  durationMs: 950,
  peakBufferedBytes: 0,
  peakRssBytes: 90 * MIB,
  warnings: [],
};

export const INSPECT: InspectResult = {
  image: 'ghcr.io/acme/shop:2.4',
  platform: 'linux/amd64',
  manifestDigest: digestOf('a'),
  platforms: [
    { platform: 'linux/amd64', digest: digestOf('a') },
    { platform: 'linux/arm64', digest: digestOf('b') },
  ],
  config: {
    created: '2026-10-01T12:00:00Z',
    author: 'Zoë \u001b]0;owned\u0007',
    user: '1000:1000',
    workingDir: '/srv/shop',
    entrypoint: ['/usr/bin/tini', '--'],
    cmd: ['node', 'server.js', '--motto', 'buy more'],
    env: ['PATH=/usr/bin', 'NODE_ENV=production'],
    labels: { 'org.opencontainers.image.title': 'shop' },
    exposedPorts: ['8080/tcp', '9090/tcp'],
    volumes: ['/data'],
    stopSignal: 'SIGTERM',
  },
  layers: [
    {
      digest: digestOf('1'),
      diffId: digestOf('2'),
      mediaType: LAYER,
      compressedBytes: 29_124_210,
      uncompressedBytes: 77_824_000,
      entries: 3315,
      checkpoints: 19,
      createdBy: '/bin/sh -c #(nop) ADD file:29d7d1ad3d7e8ab0d5d3a2b6c2f0f8b1 in / ',
      tiers: { disk: true, remote: { [NEAR]: true, [FAR]: false } },
    },
    {
      digest: digestOf('3'),
      diffId: digestOf('4'),
      mediaType: LAYER,
      compressedBytes: 1_572_864,
      uncompressedBytes: 5_242_880,
      entries: 120,
      checkpoints: 2,
      createdBy: '/bin/sh -c apt-get update &&     apt-get install -y tini && rm -rf /var/lib/apt/lists/*',
      tiers: { disk: false, remote: { [NEAR]: true, [FAR]: true } },
    },
    {
      digest: digestOf('5'),
      diffId: digestOf('6'),
      mediaType: LAYER,
      compressedBytes: 812,
      createdBy: '::error::COPY dist \u202egpj.exe 文件 # buildkit',
      tiers: { disk: false, remote: { [NEAR]: false, [FAR]: false } },
    },
  ],
  totals: {
    layers: 3,
    compressedBytes: 30_697_886,
    uncompressedBytes: 83_066_880,
    entries: 3400,
    warmLayers: 1,
    warmBytes: 29_124_210,
  },
  warm: false,
  warnings: [],
};

export const PLAN: PlanResult = {
  dryRun: true,
  images: [
    {
      image: 'ghcr.io/acme/shop:2.4',
      platform: 'linux/amd64',
      layers: [
        { digest: digestOf('1'), diffId: digestOf('2'), compressedBytes: 29_124_210, tier: 'disk', sendTo: [NEAR, FAR] },
        { digest: digestOf('3'), diffId: digestOf('4'), compressedBytes: 1_572_864, tier: 'registry', sendTo: [] },
      ],
    },
  ],
  tiers: { disk: { layers: 1, bytes: 77_824_000, requests: 0 }, registry: { layers: 1, bytes: 1_572_864, requests: 1 } },
  sends: { [NEAR]: { layers: 1, bytes: 77_824_000 }, [FAR]: { layers: 1 } },
  warnings: [],
};
