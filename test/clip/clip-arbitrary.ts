/** Random `.clip` files that hold everything the types allow, for properties over the codec. */
import fc from 'fast-check';
import { byteStringFromBytes, type ByteString } from '../../src/lib/byte-string.ts';
import type {
  ClipAttr,
  ClipExtension,
  ClipFile,
  ClipImageMetadata,
  ClipNode,
  ClipRemote,
  ClipStorageInfo,
  ClipTime,
  ExtensionCheckpoint,
  ExtensionEntry,
  ExtensionLayer,
} from '../../src/lib/clip/clip-file.ts';

const MAX_UINT64 = 2n ** 64n - 1n;

const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: MAX_UINT64 }), fc.bigInt({ min: 0n, max: 70_000n }), edges64());
const uint32 = fc.oneof(fc.nat(300), fc.nat({ max: 0xffffffff }), fc.constant(0xffffffff));
const int = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }));
const nat = fc.oneof(fc.maxSafeNat(), fc.nat(300));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const texts = fc.array(text, { maxLength: 4 });
const textMap = fc.array(fc.tuple(text, text), { maxLength: 4 }).map((entries) => new Map(entries));
const textSet = fc.array(text, { maxLength: 4 }).map((values) => [...new Set(values)].sort());
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }).map(byteStringFromBytes),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((name) => byteStringFromBytes(Buffer.from(name))),
);
const path = bytes.map((name) => `/${name}` as ByteString);
export const layerDigest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((hash) => `sha256:${Buffer.from(hash).toString('hex')}`);

function edges64(): fc.Arbitrary<bigint> {
  const powers = [7n, 8n, 16n, 32n, 48n, 53n, 56n, 63n].map((bits) => 2n ** bits);
  return fc.constantFrom(MAX_UINT64, ...powers.flatMap((power) => [power - 1n, power, power + 1n]));
}

const attr: fc.Arbitrary<ClipAttr> = fc.record({
  ino: uint64,
  size: uint64,
  blocks: uint64,
  atime: uint64,
  mtime: uint64,
  ctime: uint64,
  atimensec: uint32,
  mtimensec: uint32,
  ctimensec: uint32,
  mode: uint32,
  nlink: uint32,
  uid: uint32,
  gid: uint32,
  rdev: uint32,
  blksize: uint32,
  padding: uint32,
});

const remote: fc.Arbitrary<ClipRemote> = fc.record({ layerDigest, uncompressedOffset: int, length: int });

export const clipNode: fc.Arbitrary<ClipNode> = fc
  .record({
    nodeType: fc.constantFrom('dir', 'file', 'symlink', ''),
    path,
    attr,
    target: bytes,
    contentHash: bytes,
    dataPos: int,
    dataLen: int,
    remote: fc.option(remote, { nil: undefined }),
  })
  .map(withoutUndefined);

/** Within the years that Go prints. */
const time: fc.Arbitrary<ClipTime> = fc.record({
  seconds: fc.bigInt({ min: -62_000_000_000n, max: 250_000_000_000n }),
  nanoseconds: fc.nat({ max: 999_999_999 }),
  zoneMinutes: fc.constantFrom(-1, 0, 60, -330, 345),
});

const imageMetadata: fc.Arbitrary<ClipImageMetadata> = fc
  .record({
    name: text,
    digest: text,
    repoTags: texts,
    created: fc.option(time, { nil: undefined }),
    dockerVersion: text,
    labels: textMap,
    architecture: text,
    os: text,
    variant: text,
    author: text,
    env: texts,
    cmd: texts,
    entrypoint: texts,
    user: text,
    workingDir: text,
    exposedPorts: textSet,
    volumes: textSet,
    stopSignal: text,
    layers: fc.array(layerDigest, { maxLength: 3 }),
    layersData: fc.array(fc.record({ mediaType: text, digest: layerDigest, sizeBytes: int, annotations: textMap }), {
      maxLength: 3,
    }),
  })
  .map(withoutUndefined);

function byLayer<T>(values: fc.Arbitrary<T>): fc.Arbitrary<Map<string, T[]>> {
  return fc.array(fc.tuple(layerDigest, fc.array(values, { maxLength: 4 })), { maxLength: 3 }).map((entries) => new Map(entries));
}

export const clipStorageInfo: fc.Arbitrary<ClipStorageInfo> = fc.record({
  registryUrl: text,
  repository: text,
  reference: text,
  layers: fc.array(layerDigest, { maxLength: 3 }),
  gzipIndexByLayer: byLayer(fc.record({ compressedOffset: int, uncompressedOffset: int })),
  zstdIndexByLayer: byLayer(
    fc.record({ compressedOffset: int, compressedBytes: int, uncompressedOffset: int, uncompressedBytes: int }),
  ),
  decompressedHashByLayer: textMap,
  imageMetadata,
});

const checkpoints: fc.Arbitrary<ExtensionCheckpoint[]> = fc
  .array(
    fc.record({
      compressedOffset: fc.nat(5_000_000),
      bit: fc.nat(7),
      uncompressedOffset: fc.nat(5_000_000),
      window: fc.uint8Array({ maxLength: 40 }),
    }),
    { maxLength: 5 },
  )
  .map(ascending);

/** The offsets drawn are taken as distances. */
function ascending(distances: ExtensionCheckpoint[]): ExtensionCheckpoint[] {
  let [compressedOffset, uncompressedOffset] = [0, 0];
  return distances.map((checkpoint) => {
    compressedOffset += checkpoint.compressedOffset;
    uncompressedOffset += checkpoint.uncompressedOffset;
    return { ...checkpoint, compressedOffset, uncompressedOffset };
  });
}

const extensionLayer: fc.Arbitrary<ExtensionLayer> = fc.record({
  digest: layerDigest,
  diffId: layerDigest,
  mediaType: text,
  compression: fc.constantFrom('gzip' as const, 'zstd' as const, 'none' as const),
  compressedBytes: nat,
  uncompressedBytes: nat,
  checkpoints,
  contentDigests: fc.nat(3).chain((count) => fc.uint8Array({ minLength: 32 * count, maxLength: 32 * count })),
});

const special = fc.record({
  kind: fc.constantFrom('character-device' as const, 'block-device' as const, 'fifo' as const),
  mode: nat,
  uid: nat,
  gid: nat,
  mtimeSeconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  mtimeNanoseconds: nat,
  deviceMajor: int,
  deviceMinor: int,
});

const naturalRemote: fc.Arbitrary<ClipRemote> = fc.record({ layerDigest, uncompressedOffset: nat, length: nat });

const extensionEntry: fc.Arbitrary<ExtensionEntry> = fc
  .record({
    path,
    special: fc.option(special, { nil: undefined }),
    xattrs: fc.array(fc.tuple(bytes, bytes), { maxLength: 3 }).map((entries) => new Map(entries)),
    hardLinkTo: fc.option(path, { nil: undefined }),
    sparse: fc.option(
      fc.record({ regions: fc.array(fc.record({ offset: nat, length: nat }), { maxLength: 4 }), remote: naturalRemote }),
      {
        nil: undefined,
      },
    ),
  })
  .map(withoutUndefined);

export const clipExtension: fc.Arbitrary<ClipExtension> = fc.record({
  layers: fc.array(extensionLayer, { maxLength: 3 }),
  entries: fc.uniqueArray(extensionEntry, { maxLength: 5, selector: (entry) => entry.path }).map(sortedByPath),
});

export const clipFile: fc.Arbitrary<ClipFile> = fc
  .record({
    nodes: fc.array(clipNode, { maxLength: 8 }),
    storageInfo: clipStorageInfo,
    extension: fc.option(clipExtension, { nil: undefined }),
  })
  .map(withoutUndefined);

function sortedByPath(entries: ExtensionEntry[]): ExtensionEntry[] {
  return entries.sort((left, right) => (left.path < right.path ? -1 : 1));
}

type Optional<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};

/** An absent field is a missing key, not one that is undefined. */
function withoutUndefined<T extends object>(value: T): Optional<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Optional<T>;
}
