/** The index section: CLIP's `ClipNode` and what it is made of (FORMATS.md §1), field for field in Go's order. */
import type { ByteString } from '../byte-string.ts';
import type { ClipAttr, ClipNode, ClipRemote, ListOf } from './clip-file.ts';
import { byteString, int, repeatedText, uint32, uint64 } from './gob/basic-codecs.ts';
import { convert, pointer, slice, struct } from './gob/composite-codecs.ts';
import type { GobCodec } from './gob/gob-codec.ts';
import { writeNodes } from './write-nodes.ts';

interface GoAttr {
  readonly Ino: bigint;
  readonly Size: bigint;
  readonly Blocks: bigint;
  readonly Atime: bigint;
  readonly Mtime: bigint;
  readonly Ctime: bigint;
  readonly Atimensec: number;
  readonly Mtimensec: number;
  readonly Ctimensec: number;
  readonly Mode: number;
  readonly Nlink: number;
  readonly Owner: { readonly Uid: number; readonly Gid: number };
  readonly Rdev: number;
  readonly Blksize: number;
  readonly Padding: number;
}

const goAttr = struct<GoAttr>('Attr', {
  Ino: uint64,
  Size: uint64,
  Blocks: uint64,
  Atime: uint64,
  Mtime: uint64,
  Ctime: uint64,
  Atimensec: uint32,
  Mtimensec: uint32,
  Ctimensec: uint32,
  Mode: uint32,
  Nlink: uint32,
  Owner: struct('Owner', { Uid: uint32, Gid: uint32 }),
  Rdev: uint32,
  Blksize: uint32,
  Padding: uint32,
});

interface GoNode {
  readonly NodeType: string;
  readonly Path: ByteString;
  readonly Attr: GoAttr;
  readonly Target: ByteString;
  readonly ContentHash: ByteString;
  readonly DataPos: number;
  readonly DataLen: number;
  readonly Remote: GoRemote | undefined;
}

interface GoRemote {
  readonly LayerDigest: string;
  readonly UOffset: number;
  readonly ULength: number;
}

const goNode = struct<GoNode>('ClipNode', {
  NodeType: repeatedText,
  Path: byteString,
  Attr: goAttr,
  Target: byteString,
  ContentHash: byteString,
  DataPos: int,
  DataLen: int,
  Remote: pointer(struct<GoRemote>('RemoteRef', { LayerDigest: repeatedText, UOffset: int, ULength: int })),
});

const clipNode: GobCodec<ClipNode> = convert(goNode, { toOurs: nodeOfGo, toWire: goOfNode });

/** The value of the index stream. */
export const nodeList: GobCodec<readonly ClipNode[]> = slice(clipNode, '[]*common.ClipNode');

/** Writes what `nodeList` writes, out of any list. */
export const nodeListWriter: Pick<GobCodec<ListOf<ClipNode>>, 'shape' | 'write'> = {
  shape: nodeList.shape,
  write: writeNodes,
};

function nodeOfGo(node: GoNode): ClipNode {
  const { NodeType, Path, Attr, Target, ContentHash, DataPos, DataLen, Remote } = node;
  const ours: { -readonly [Key in keyof ClipNode]: ClipNode[Key] } = {
    nodeType: NodeType,
    path: Path,
    attr: attrOfGo(Attr),
    target: Target,
    contentHash: ContentHash,
    dataPos: DataPos,
    dataLen: DataLen,
  };
  if (Remote !== undefined) ours.remote = remoteOfGo(Remote);
  return ours;
}

function remoteOfGo({ LayerDigest, UOffset, ULength }: GoRemote): ClipRemote {
  return { layerDigest: LayerDigest, uncompressedOffset: UOffset, length: ULength };
}

function goOfNode({ nodeType, path, attr, target, contentHash, dataPos, dataLen, remote }: ClipNode): GoNode {
  return {
    NodeType: nodeType,
    Path: path,
    Attr: goOfAttr(attr),
    Target: target,
    ContentHash: contentHash,
    DataPos: dataPos,
    DataLen: dataLen,
    Remote: remote && { LayerDigest: remote.layerDigest, UOffset: remote.uncompressedOffset, ULength: remote.length },
  };
}

function attrOfGo(attr: GoAttr): ClipAttr {
  return {
    ino: attr.Ino,
    size: attr.Size,
    blocks: attr.Blocks,
    atime: attr.Atime,
    mtime: attr.Mtime,
    ctime: attr.Ctime,
    atimensec: attr.Atimensec,
    mtimensec: attr.Mtimensec,
    ctimensec: attr.Ctimensec,
    mode: attr.Mode,
    nlink: attr.Nlink,
    uid: attr.Owner.Uid,
    gid: attr.Owner.Gid,
    rdev: attr.Rdev,
    blksize: attr.Blksize,
    padding: attr.Padding,
  };
}

function goOfAttr(attr: ClipAttr): GoAttr {
  return {
    Ino: attr.ino,
    Size: attr.size,
    Blocks: attr.blocks,
    Atime: attr.atime,
    Mtime: attr.mtime,
    Ctime: attr.ctime,
    Atimensec: attr.atimensec,
    Mtimensec: attr.mtimensec,
    Ctimensec: attr.ctimensec,
    Mode: attr.mode,
    Nlink: attr.nlink,
    Owner: { Uid: attr.uid, Gid: attr.gid },
    Rdev: attr.rdev,
    Blksize: attr.blksize,
    Padding: attr.padding,
  };
}
