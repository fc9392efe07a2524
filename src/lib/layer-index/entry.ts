/**
 * The merged tree of an image: what is left when all layers lie on top of each other (OCI image specification,
 * layer.md "Applying changesets"; DESIGN §7: *entry* = one path of the merged tree). Pure data.
 */
import type { ByteString } from '../byte-string.ts';
import type { Digest } from '../oci/digest.ts';
import type { EntryList } from '../tar/packed-entries.ts';
import type { SparseRegion, TarTime } from '../tar/tar-entry.ts';

/** The tar entries of one layer, in tar order. */
export interface LayerIndex {
  /** Compressed digest: what the .clip file names a layer by. */
  readonly digest: Digest;
  readonly entries: EntryList;
}

export type EntryKind = 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo';

/** One path of the merged tree. */
export interface MergedEntry {
  /** Absolute, cleaned, raw bytes; `/` is the root. */
  readonly path: ByteString;
  readonly kind: EntryKind;
  /** Permission bits with setuid, setgid and sticky: 0..0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Logical size: content of a file, length of a symlink's target, 0 for the rest. */
  readonly size: number;
  readonly mtime: TarTime;
  readonly atime?: TarTime;
  readonly ctime?: TarTime;
  /** Symlink target; empty for the rest. */
  readonly target: ByteString;
  /** The path (absolute, cleaned) of the file this is a hard link to, when it came as one. */
  readonly hardLinkTo?: ByteString;
  /** Number of names of this file in the merged tree; 2 for a directory. */
  readonly linkCount: number;
  readonly inode: bigint;
  /** Where the content lies; undefined for what has none, and for a sparse file's CLIP node. */
  readonly content?: { readonly layer: Digest; readonly uncompressedOffset: number; readonly length: number };
  /** Map of a sparse file, offsets within the expanded file; stored runs follow each other from `content`. */
  readonly sparse?: readonly SparseRegion[];
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** The layer that brought the entry; undefined for made parents and a made root. */
  readonly layer?: Digest;
}

/** A thing about the input that a person should know; `--strict` refuses it. */
export interface MergeWarning {
  readonly code:
    | 'PATH_ESCAPES'
    | 'HARD_LINK_MISSING'
    | 'HARD_LINK_CYCLE'
    | 'HARD_LINK_TO_DIRECTORY'
    | 'WHITEOUT_INVALID'
    | 'DUPLICATE_PATH'
    | 'PARENT_NOT_DIRECTORY'
    | 'NAME_INVALID';
  readonly path: ByteString;
  readonly layer: Digest;
  readonly message: string;
}

/** Made one by one while it is read: all at once would take several times the memory of the tree. */
export interface MergedEntryList extends Iterable<MergedEntry> {
  readonly length: number;
}

export interface MergedTree {
  /** Sorted by the bytes of `path`; the first is the root. */
  readonly entries: MergedEntryList;
  /** Those of them that have xattrs or a sparse map, are hard links, or are neither file, directory nor symlink; in their order. */
  readonly notable: readonly MergedEntry[];
  readonly warnings: readonly MergeWarning[];
  /** Warnings left out after the first 1,000; absent when there are none. */
  readonly omittedWarnings?: number;
}
