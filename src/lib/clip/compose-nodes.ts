/** Entries of the merged tree as CLIP's nodes, and what a node can't say of them (FORMATS §1 "Values", points 5 and 6). */
import { EMPTY_BYTES } from '../byte-string.ts';
import type { EntryKind, MergedEntry } from '../layer-index/entry.ts';
import type { TarTime } from '../tar/tar-entry.ts';
import { ZERO_TIME_SECONDS, type ClipAttr, type ClipNode, type ClipRemote, type ExtensionEntry } from './clip-file.ts';

type NodeKind = Extract<EntryKind, 'file' | 'directory' | 'symlink'>;
type SpecialKind = Exclude<EntryKind, NodeKind>;

/** Node type and S_IFMT bits (inode(7)) of what CLIP has nodes for. */
const NODE_TYPES = {
  file: { nodeType: 'file', format: 0o100000 },
  directory: { nodeType: 'dir', format: 0o040000 },
  symlink: { nodeType: 'symlink', format: 0o120000 },
} as const;

const BLOCK_BYTES = 512;

/** The node of an entry; undefined for devices and fifos, which Go CLIP can't say. */
export function composeNode(entry: MergedEntry): ClipNode | undefined {
  if (!isNodeKind(entry.kind)) return undefined;
  const { nodeType, format } = NODE_TYPES[entry.kind];
  const remote = entry.sparse === undefined ? remoteOf(entry) : undefined;
  return {
    nodeType,
    path: entry.path,
    attr: attrOf(entry, format),
    target: entry.target,
    contentHash: EMPTY_BYTES,
    dataPos: 0,
    dataLen: 0,
    ...(remote && { remote }),
  };
}

/** Whether CLIP has nodes for it. */
export function isNodeKind(kind: EntryKind): kind is NodeKind {
  return kind in NODE_TYPES;
}

function attrOf(entry: MergedEntry, format: number): ClipAttr {
  return {
    ino: entry.inode,
    size: BigInt(entry.size),
    blocks: entry.kind === 'file' ? BigInt(Math.ceil(entry.size / BLOCK_BYTES)) : 0n,
    atime: secondsOf(entry.atime),
    mtime: secondsOf(entry.mtime),
    ctime: secondsOf(entry.ctime),
    atimensec: entry.atime?.nanoseconds ?? 0,
    mtimensec: entry.mtime.nanoseconds,
    ctimensec: entry.ctime?.nanoseconds ?? 0,
    mode: format | entry.mode,
    nlink: entry.linkCount,
    uid: toUint32(entry.uid),
    gid: toUint32(entry.gid),
    rdev: 0,
    blksize: 0,
    padding: 0,
  };
}

/** As Go's `uint64(t.Unix())`: a time before 1970 wraps. */
function secondsOf(time: TarTime | undefined): bigint {
  return time === undefined ? ZERO_TIME_SECONDS : BigInt.asUintN(64, BigInt(time.seconds));
}

/** As Go's `uint32(hdr.Uid)`: base-256 ids of a tar may be larger, or negative. */
function toUint32(id: number): number {
  return id >>> 0;
}

function remoteOf({ content }: MergedEntry): ClipRemote | undefined {
  if (content === undefined) return undefined;
  return { layerDigest: content.layer, uncompressedOffset: content.uncompressedOffset, length: content.length };
}

/** What the extension says of an entry; undefined when its node says it all. */
export function composeExtensionEntry(entry: MergedEntry): ExtensionEntry | undefined {
  const special = isNodeKind(entry.kind) ? undefined : specialOf(entry, entry.kind);
  const remote = remoteOf(entry);
  const sparse = entry.sparse && remote ? { regions: entry.sparse, remote } : undefined;
  if (special === undefined && sparse === undefined && entry.xattrs.size === 0 && entry.hardLinkTo === undefined) {
    return undefined;
  }
  return {
    path: entry.path,
    ...(special && { special }),
    xattrs: entry.xattrs,
    ...(entry.hardLinkTo !== undefined && { hardLinkTo: entry.hardLinkTo }),
    ...(sparse && { sparse }),
  };
}

function specialOf(entry: MergedEntry, kind: SpecialKind): NonNullable<ExtensionEntry['special']> {
  return {
    kind,
    mode: entry.mode,
    uid: toUint32(entry.uid),
    gid: toUint32(entry.gid),
    mtimeSeconds: BigInt(entry.mtime.seconds),
    mtimeNanoseconds: entry.mtime.nanoseconds,
    deviceMajor: entry.deviceMajor,
    deviceMinor: entry.deviceMinor,
  };
}
