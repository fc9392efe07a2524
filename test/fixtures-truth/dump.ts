/** The JSON that the reader of Go CLIP's files writes (test/fixtures/NAME/go.dump.json), and a ClipFile of ours in that form. */
import { bytesOf, isUtf8, textOf, type ByteString } from '../../src/lib/byte-string.ts';
import type { ClipFile, ClipImageMetadata, ClipNode, ClipStorageInfo, ClipTime } from '../../src/lib/clip/clip-file.ts';

export interface DumpNode {
  readonly path: string;
  /** The raw bytes, when they are no UTF-8. */
  readonly pathHex?: string;
  readonly type: string;
  readonly mode: number;
  readonly modeOctal: string;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** 64-bit numbers stand as text. */
  readonly ino: string;
  readonly blocks: number;
  readonly nlink: number;
  readonly rdev: number;
  readonly atime: string;
  readonly mtime: string;
  readonly ctime: string;
  readonly atimensec: number;
  readonly mtimensec: number;
  readonly ctimensec: number;
  readonly target?: string;
  readonly remote?: { readonly layer: string; readonly off: number; readonly len: number };
}

/** Go's field names; what is empty is left out of ImageMetadata, and null elsewhere. */
export type DumpStorageInfo = Readonly<Record<string, unknown>>;

export interface DumpDocument {
  readonly storageInfo: DumpStorageInfo;
  readonly nodes: readonly DumpNode[];
}

export function dumpOf(clip: ClipFile): DumpDocument {
  return { storageInfo: dumpStorageInfo(clip.storageInfo), nodes: clip.nodes.map(dumpNode) };
}

function dumpNode({ path, nodeType, attr, target, remote }: ClipNode): DumpNode {
  return {
    path: textOf(path),
    ...(!isUtf8(path) && { pathHex: bytesOf(path).toString('hex') }),
    type: nodeType,
    mode: attr.mode,
    modeOctal: attr.mode.toString(8).padStart(6, '0'),
    uid: attr.uid,
    gid: attr.gid,
    size: Number(attr.size),
    ino: String(attr.ino),
    blocks: Number(attr.blocks),
    nlink: attr.nlink,
    rdev: attr.rdev,
    atime: String(attr.atime),
    mtime: String(attr.mtime),
    ctime: String(attr.ctime),
    atimensec: attr.atimensec,
    mtimensec: attr.mtimensec,
    ctimensec: attr.ctimensec,
    ...(target !== '' && { target: textOf(target) }),
    ...(remote && { remote: { layer: remote.layerDigest, off: remote.uncompressedOffset, len: remote.length } }),
  };
}

function dumpStorageInfo(info: ClipStorageInfo): DumpStorageInfo {
  const gzip = mapObject(info.gzipIndexByLayer, (checkpoints, LayerDigest) => ({
    LayerDigest,
    Checkpoints: checkpoints.map(({ compressedOffset, uncompressedOffset }) => ({
      COff: compressedOffset,
      UOff: uncompressedOffset,
    })),
  }));
  const zstd = mapObject(info.zstdIndexByLayer, (frames, LayerDigest) => ({
    LayerDigest,
    Frames: frames.map((frame) => ({
      COff: frame.compressedOffset,
      CLen: frame.compressedBytes,
      UOff: frame.uncompressedOffset,
      ULen: frame.uncompressedBytes,
    })),
  }));
  return {
    RegistryURL: info.registryUrl,
    Repository: info.repository,
    Reference: info.reference,
    Layers: info.layers,
    GzipIdxByLayer: gzip,
    ZstdIdxByLayer: zstd,
    DecompressedHashByLayer: mapObject(info.decompressedHashByLayer, (hash) => hash),
    ImageMetadata: dumpMetadata(info.imageMetadata),
  };
}

function dumpMetadata(metadata: ClipImageMetadata): Readonly<Record<string, unknown>> {
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const fields: Record<string, unknown> = {
    Name: metadata.name,
    Digest: metadata.digest,
    RepoTags: metadata.repoTags,
    Created: metadata.created && timeText(metadata.created),
    DockerVersion: metadata.dockerVersion,
    Labels: Object.fromEntries(metadata.labels),
    Architecture: metadata.architecture,
    Os: metadata.os,
    Variant: metadata.variant,
    Author: metadata.author,
    Env: metadata.env,
    Cmd: metadata.cmd,
    Entrypoint: metadata.entrypoint,
    User: metadata.user,
    WorkingDir: metadata.workingDir,
    ExposedPorts: set(metadata.exposedPorts),
    Volumes: set(metadata.volumes),
    StopSignal: metadata.stopSignal,
    Layers: metadata.layers,
    LayersData: metadata.layersData.map(({ mediaType, digest, sizeBytes, annotations }) => ({
      MIMEType: mediaType,
      Digest: digest,
      Size: sizeBytes,
      ...(annotations.size > 0 && { Annotations: Object.fromEntries(annotations) }),
    })),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === '') return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** RFC 3339 as Go prints a UTC time; the fixtures have no other. */
function timeText({ seconds, nanoseconds, zoneMinutes }: ClipTime): string {
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  return `${text}${fraction}${zoneMinutes === -1 ? 'Z' : ` zone ${zoneMinutes}`}`;
}

/** Go reads an empty map back as nil, which JSON has as null. */
function mapObject<V, R>(map: ReadonlyMap<string, V>, show: (value: V, key: string) => R): Readonly<Record<string, R>> | null {
  if (map.size === 0) return null;
  return Object.fromEntries([...map].map(([key, value]) => [key, show(value, key)]));
}

/** The bytes of a dumped path. */
export function rawPathOf({ path, pathHex }: Pick<DumpNode, 'path' | 'pathHex'>): ByteString {
  const bytes = pathHex === undefined ? Buffer.from(path, 'utf8') : Buffer.from(pathHex, 'hex');
  return bytes.toString('latin1') as ByteString;
}
