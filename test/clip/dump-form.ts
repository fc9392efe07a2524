/** A decoded `.clip` in the form that the Go programs print, so that the two can be compared (FORMATS.md: `go.dump.json`). */
import { bytesOf, isUtf8, textOf } from '../../src/lib/byte-string.ts';
import type { ClipImageMetadata, ClipNode, ClipStorageInfo, ClipTime } from '../../src/lib/clip/clip-file.ts';

export interface Dump {
  readonly nodeCount: number;
  readonly storageInfo: unknown;
  readonly nodes: readonly unknown[];
}

export function dumpOf({ nodes, storageInfo }: { nodes: readonly ClipNode[]; storageInfo: ClipStorageInfo }): Dump {
  return { nodeCount: nodes.length, storageInfo: storageInfoForm(storageInfo), nodes: nodes.map(nodeForm) };
}

/** Go leaves out empty fields or prints null; a missing map and an empty one are the same to every reader. */
export function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => !isEmpty(field))
      .map(([key, field]) => [key, withoutEmpty(field)]),
  );
}

/** Drops null, "" and lists and maps of nothing, but keeps {} inside a set such as ExposedPorts. */
function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}

function nodeForm(node: ClipNode): unknown {
  const { attr, remote } = node;
  return {
    path: textOf(node.path),
    ...(!isUtf8(node.path) && { pathHex: bytesOf(node.path).toString('hex') }),
    type: node.nodeType,
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
    ...(node.target !== '' && { target: textOf(node.target) }),
    ...(!isUtf8(node.target) && { targetHex: bytesOf(node.target).toString('hex') }),
    ...(node.contentHash !== '' && { contentHash: bytesOf(node.contentHash).toString('hex') }),
    ...(node.dataPos !== 0 && { dataPos: node.dataPos }),
    ...(node.dataLen !== 0 && { dataLen: node.dataLen }),
    ...(attr.blksize !== 0 && { blksize: attr.blksize }),
    ...(attr.padding !== 0 && { padding: attr.padding }),
    ...(remote && { remote: { layer: remote.layerDigest, off: remote.uncompressedOffset, len: remote.length } }),
  };
}

function storageInfoForm(info: ClipStorageInfo): unknown {
  return {
    RegistryURL: info.registryUrl,
    Repository: info.repository,
    Reference: info.reference,
    Layers: info.layers,
    GzipIdxByLayer: objectOf(info.gzipIndexByLayer, (checkpoints, layer) => ({
      LayerDigest: layer,
      Checkpoints: checkpoints.map((checkpoint) => ({ COff: checkpoint.compressedOffset, UOff: checkpoint.uncompressedOffset })),
    })),
    ZstdIdxByLayer: objectOf(info.zstdIndexByLayer, (frames, layer) => ({
      LayerDigest: layer,
      Frames: frames.map((frame) => ({
        COff: frame.compressedOffset,
        CLen: frame.compressedBytes,
        UOff: frame.uncompressedOffset,
        ULen: frame.uncompressedBytes,
      })),
    })),
    DecompressedHashByLayer: objectOf(info.decompressedHashByLayer, (hash) => hash),
    ImageMetadata: metadataForm(info.imageMetadata),
  };
}

function metadataForm(metadata: ClipImageMetadata): unknown {
  return {
    Name: metadata.name,
    Digest: metadata.digest,
    RepoTags: metadata.repoTags,
    Created: timeForm(metadata.created),
    DockerVersion: metadata.dockerVersion,
    Labels: objectOf(metadata.labels, (label) => label),
    Architecture: metadata.architecture,
    Os: metadata.os,
    Variant: metadata.variant,
    Author: metadata.author,
    Env: metadata.env,
    Cmd: metadata.cmd,
    Entrypoint: metadata.entrypoint,
    User: metadata.user,
    WorkingDir: metadata.workingDir,
    ExposedPorts: setForm(metadata.exposedPorts),
    Volumes: setForm(metadata.volumes),
    StopSignal: metadata.stopSignal,
    Layers: metadata.layers,
    LayersData: metadata.layersData.map((layer) => ({
      MIMEType: layer.mediaType,
      Digest: layer.digest,
      Size: layer.sizeBytes,
      Annotations: objectOf(layer.annotations, (annotation) => annotation),
    })),
  };
}

/** RFC 3339 with as many decimals as there are, as Go prints it. */
function timeForm(time: ClipTime | undefined): string {
  if (time === undefined) return '0001-01-01T00:00:00Z';
  const { seconds, nanoseconds, zoneMinutes } = time;
  const isUtc = zoneMinutes === -1;
  const local = new Date((Number(seconds) + (isUtc ? 0 : zoneMinutes * 60)) * 1000).toISOString().slice(0, 19);
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  return `${local}${fraction}${isUtc || zoneMinutes === 0 ? 'Z' : zoneForm(zoneMinutes)}`;
}

function zoneForm(minutes: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
}

function setForm(values: readonly string[]): unknown {
  return values.length === 0 ? null : Object.fromEntries(values.map((value) => [value, {}]));
}

function objectOf<T>(map: ReadonlyMap<string, T>, form: (value: T, key: string) => unknown): unknown {
  return map.size === 0 ? null : Object.fromEntries([...map].map(([key, value]) => [key, form(value, key)]));
}
