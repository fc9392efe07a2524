/** The storage info section: CLIP's `StorageInfoWrapper` around a second stream with `OCIStorageInfo` (FORMATS.md §1). */
import type { ClipGzipCheckpoint, ClipImageMetadata, ClipStorageInfo, ClipZstdFrame } from './clip-file.ts';
import { bytes, int, text } from './gob/basic-codecs.ts';
import { convert, map, slice, struct } from './gob/composite-codecs.ts';
import type { GobCodec } from './gob/gob-codec.ts';
import { imageMetadata, textList, textMap } from './image-metadata-codec.ts';

export const storageInfoWrapper = struct<{ readonly Type: string; readonly Data: Uint8Array }>('StorageInfoWrapper', {
  Type: text,
  Data: bytes,
});

interface GoGzipIndex {
  readonly LayerDigest: string;
  readonly Checkpoints: readonly ClipGzipCheckpoint[];
}

interface GoZstdIndex {
  readonly LayerDigest: string;
  readonly Frames: readonly ClipZstdFrame[];
}

interface GoStorageInfo {
  readonly RegistryURL: string;
  readonly Repository: string;
  readonly Reference: string;
  readonly Layers: readonly string[];
  readonly GzipIdxByLayer: ReadonlyMap<string, GoGzipIndex>;
  readonly ZstdIdxByLayer: ReadonlyMap<string, GoZstdIndex>;
  readonly DecompressedHashByLayer: ReadonlyMap<string, string>;
  readonly ImageMetadata: ClipImageMetadata;
}

const gzipCheckpoint: GobCodec<ClipGzipCheckpoint> = convert(struct('GzipCheckpoint', { COff: int, UOff: int }), {
  toOurs: ({ COff, UOff }) => ({ compressedOffset: COff, uncompressedOffset: UOff }),
  toWire: (checkpoint) => ({ COff: checkpoint.compressedOffset, UOff: checkpoint.uncompressedOffset }),
});

const zstdFrame: GobCodec<ClipZstdFrame> = convert(struct('ZstdFrame', { COff: int, CLen: int, UOff: int, ULen: int }), {
  toOurs: ({ COff, CLen, UOff, ULen }) => ({
    compressedOffset: COff,
    compressedBytes: CLen,
    uncompressedOffset: UOff,
    uncompressedBytes: ULen,
  }),
  toWire: (frame) => ({
    COff: frame.compressedOffset,
    CLen: frame.compressedBytes,
    UOff: frame.uncompressedOffset,
    ULen: frame.uncompressedBytes,
  }),
});

const gzipIndex = struct<GoGzipIndex>('GzipIndex', {
  LayerDigest: text,
  Checkpoints: slice(gzipCheckpoint, '[]common.GzipCheckpoint'),
});
const zstdIndex = struct<GoZstdIndex>('ZstdIndex', { LayerDigest: text, Frames: slice(zstdFrame, '[]common.ZstdFrame') });

const goStorageInfo = struct<GoStorageInfo>('OCIStorageInfo', {
  RegistryURL: text,
  Repository: text,
  Reference: text,
  Layers: textList,
  GzipIdxByLayer: map(gzipIndex, 'map[string]*common.GzipIndex'),
  ZstdIdxByLayer: map(zstdIndex, 'map[string]*common.ZstdIndex'),
  DecompressedHashByLayer: textMap,
  ImageMetadata: imageMetadata,
});

/** The value of the inner stream. */
export const storageInfo: GobCodec<ClipStorageInfo> = convert(goStorageInfo, {
  toOurs: storageInfoOfGo,
  toWire: goOfStorageInfo,
});

function storageInfoOfGo(go: GoStorageInfo): ClipStorageInfo {
  return {
    registryUrl: go.RegistryURL,
    repository: go.Repository,
    reference: go.Reference,
    layers: go.Layers,
    gzipIndexByLayer: new Map([...go.GzipIdxByLayer].map(([layer, index]) => [layer, index.Checkpoints])),
    zstdIndexByLayer: new Map([...go.ZstdIdxByLayer].map(([layer, index]) => [layer, index.Frames])),
    decompressedHashByLayer: go.DecompressedHashByLayer,
    imageMetadata: go.ImageMetadata,
  };
}

function goOfStorageInfo(ours: ClipStorageInfo): GoStorageInfo {
  return {
    RegistryURL: ours.registryUrl,
    Repository: ours.repository,
    Reference: ours.reference,
    Layers: ours.layers,
    GzipIdxByLayer: new Map(
      [...ours.gzipIndexByLayer].map(([layer, Checkpoints]) => [layer, { LayerDigest: layer, Checkpoints }]),
    ),
    ZstdIdxByLayer: new Map([...ours.zstdIndexByLayer].map(([layer, Frames]) => [layer, { LayerDigest: layer, Frames }])),
    DecompressedHashByLayer: ours.decompressedHashByLayer,
    ImageMetadata: ours.imageMetadata,
  };
}
