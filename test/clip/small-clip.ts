/** A small, valid `.clip` as data; tests change what they are about. */
import { byteStringFromText, EMPTY_BYTES, type ByteString } from '../../src/lib/byte-string.ts';
import {
  ZERO_TIME_SECONDS,
  type ClipAttr,
  type ClipExtension,
  type ClipFile,
  type ClipNode,
  type ClipStorageInfo,
} from '../../src/lib/clip/clip-file.ts';

export const LAYER = `sha256:${'a1'.repeat(32)}`;
export const DIFF_ID_HEX = 'd2'.repeat(32);

export function smallClip(): ClipFile & { readonly extension: ClipExtension } {
  const nodes = [
    dirNode('/'),
    dirNode('/dir'),
    fileNode('/dir/a', { offset: 1536 }),
    fileNode('/dir/b', { offset: 2560 }),
    linkNode('/link'),
  ];
  return { nodes, storageInfo: smallStorageInfo(), extension: smallExtension() };
}

export function dirNode(path: string): ClipNode {
  return nodeOf(path, { nodeType: 'dir', attr: attrOf(path, { mode: 0o040755, nlink: 2 }) });
}

export function fileNode(path: string, { offset = 512, length = 10 } = {}): ClipNode {
  const attr = attrOf(path, { mode: 0o100644, size: BigInt(length), blocks: 1n });
  return nodeOf(path, { nodeType: 'file', attr, remote: { layerDigest: LAYER, uncompressedOffset: offset, length } });
}

export function linkNode(path: string, target = 'dir/a'): ClipNode {
  const attr = attrOf(path, { mode: 0o120777, size: BigInt(target.length) });
  return nodeOf(path, { nodeType: 'symlink', attr, target: byteStringFromText(target) });
}

function nodeOf(path: string, parts: Pick<ClipNode, 'nodeType' | 'attr'> & Partial<ClipNode>): ClipNode {
  return { path: path as ByteString, target: EMPTY_BYTES, contentHash: EMPTY_BYTES, dataPos: 0, dataLen: 0, ...parts };
}

/** FNV-1a, as CLIP numbers its inodes. */
const FNV_OFFSET = 14_695_981_039_346_656_037n;
const FNV_PRIME = 1_099_511_628_211n;

function attrOf(path: string, parts: Partial<ClipAttr>): ClipAttr {
  const ino = Buffer.from(path, 'latin1').reduce(
    (hash, byte) => BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME),
    FNV_OFFSET,
  );
  return {
    ino,
    size: 0n,
    blocks: 0n,
    atime: ZERO_TIME_SECONDS,
    mtime: 1_700_000_000n,
    ctime: ZERO_TIME_SECONDS,
    atimensec: 0,
    mtimensec: 0,
    ctimensec: 0,
    mode: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 0,
    padding: 0,
    ...parts,
  };
}

export function emptyStorageInfo(): ClipStorageInfo {
  return {
    registryUrl: '',
    repository: '',
    reference: '',
    layers: [],
    gzipIndexByLayer: new Map(),
    zstdIndexByLayer: new Map(),
    decompressedHashByLayer: new Map(),
    imageMetadata: {
      name: '',
      digest: '',
      repoTags: [],
      dockerVersion: '',
      labels: new Map(),
      architecture: '',
      os: '',
      variant: '',
      author: '',
      env: [],
      cmd: [],
      entrypoint: [],
      user: '',
      workingDir: '',
      exposedPorts: [],
      volumes: [],
      stopSignal: '',
      layers: [],
      layersData: [],
    },
  };
}

function smallStorageInfo(): ClipStorageInfo {
  const empty = emptyStorageInfo();
  return {
    ...empty,
    registryUrl: 'registry.example:5000',
    repository: 'small/image',
    reference: `sha256:${'c3'.repeat(32)}`,
    layers: [LAYER],
    gzipIndexByLayer: new Map([[LAYER, [{ compressedOffset: 0, uncompressedOffset: 0 }]]]),
    decompressedHashByLayer: new Map([[LAYER, DIFF_ID_HEX]]),
    imageMetadata: {
      ...empty.imageMetadata,
      created: { seconds: 1_704_164_645n, nanoseconds: 678_901_234, zoneMinutes: -1 },
      labels: new Map([['title', 'small']]),
      env: ['PATH=/bin', ''],
      exposedPorts: ['80/tcp'],
      layers: [LAYER],
      layersData: [
        { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: LAYER, sizeBytes: 900, annotations: new Map() },
      ],
    },
  };
}

function smallExtension(): ClipExtension {
  return {
    layers: [
      {
        digest: LAYER,
        diffId: `sha256:${DIFF_ID_HEX}`,
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        compression: 'gzip',
        compressedBytes: 900,
        uncompressedBytes: 10_240,
        checkpoints: [
          { compressedOffset: 10, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) },
          { compressedOffset: 300, bit: 5, uncompressedOffset: 4096, window: new Uint8Array([1, 2, 3]) },
        ],
        contentDigests: new Uint8Array(32).fill(7),
      },
    ],
    entries: [
      {
        path: '/dev-null' as ByteString,
        xattrs: new Map(),
        special: {
          kind: 'character-device',
          mode: 0o666,
          uid: 0,
          gid: 0,
          mtimeSeconds: -5n,
          mtimeNanoseconds: 0,
          deviceMajor: 1,
          deviceMinor: 3,
        },
      },
      { path: '/dir/a' as ByteString, xattrs: new Map([['user.note' as ByteString, '\x00\xff' as ByteString]]) },
    ],
  };
}
