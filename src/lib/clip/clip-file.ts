/**
 * What a `.clip` file says, as data (FORMATS.md §1; the names of CLIP's fields in comments where ours differ). Strings
 * from an image are raw bytes (`ByteString`); strings of the image config are text.
 */
import type { ByteString } from '../byte-string.ts';
import type { Compression } from '../compression/decoder.ts';
import type { SparseRegion } from '../tar/tar-entry.ts';

/** CLIP's `fuse.Attr`. Times are Go's `uint64(time.Unix())`; a missing atime or ctime is `ZERO_TIME_SECONDS`. */
export interface ClipAttr {
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly atimensec: number;
  readonly mtimensec: number;
  readonly ctimensec: number;
  /** With the file type bits (S_IFREG …). */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly padding: number;
}

/** Go's zero time (year 1) as `uint64(t.Unix())`: what Go CLIP writes for an absent atime or ctime. */
export const ZERO_TIME_SECONDS = 18446744011573954816n;

export type ClipNodeType = 'dir' | 'file' | 'symlink';

/** Where a file's bytes lie: CLIP's `Remote`. */
export interface ClipRemote {
  /** `LayerDigest`: `sha256:<hex>` of the compressed layer. */
  readonly layerDigest: string;
  /** `UOffset` */
  readonly uncompressedOffset: number;
  /** `ULength` */
  readonly length: number;
}

/** One path of the index section. */
export interface ClipNode {
  /** One of ClipNodeType when we write; any string in a foreign file. */
  readonly nodeType: string;
  readonly path: ByteString;
  readonly attr: ClipAttr;
  readonly target: ByteString;
  readonly contentHash: ByteString;
  readonly dataPos: number;
  readonly dataLen: number;
  readonly remote?: ClipRemote;
}

/** A list that is read from its start to its end; an array is one. */
export interface ListOf<T> extends Iterable<T> {
  readonly length: number;
}

/** `GzipIdxByLayer` value: offsets where Go's gzip reader can start (0 and starts of members). */
export interface ClipGzipCheckpoint {
  readonly compressedOffset: number;
  readonly uncompressedOffset: number;
}

export interface ClipZstdFrame {
  readonly compressedOffset: number;
  readonly compressedBytes: number;
  readonly uncompressedOffset: number;
  readonly uncompressedBytes: number;
}

/** Go's `time.Time` in its gob form; undefined in `created` = the zero time. */
export interface ClipTime {
  /** Seconds since 1970, may be negative. */
  readonly seconds: bigint;
  readonly nanoseconds: number;
  /** Minutes east of UTC; -1 means UTC (Go's marker). */
  readonly zoneMinutes: number;
}

/** CLIP's `ImageMetadata`. */
export interface ClipImageMetadata {
  readonly name: string;
  readonly digest: string;
  readonly repoTags: readonly string[];
  readonly created?: ClipTime;
  readonly dockerVersion: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
  readonly author: string;
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string;
  readonly layers: readonly string[];
  readonly layersData: readonly ClipLayerData[];
}

export interface ClipLayerData {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly annotations: ReadonlyMap<string, string>;
}

/** CLIP's `OCIStorageInfo`. */
export interface ClipStorageInfo {
  readonly registryUrl: string;
  readonly repository: string;
  readonly reference: string;
  readonly layers: readonly string[];
  readonly gzipIndexByLayer: ReadonlyMap<string, readonly ClipGzipCheckpoint[]>;
  readonly zstdIndexByLayer: ReadonlyMap<string, readonly ClipZstdFrame[]>;
  /** Layer digest → bare hex of the diffID (`DecompressedHashByLayer`). */
  readonly decompressedHashByLayer: ReadonlyMap<string, string>;
  readonly imageMetadata: ClipImageMetadata;
}

/** A checkpoint of our own (extension): any DEFLATE block boundary, with the window to go on from it. */
export interface ExtensionCheckpoint {
  readonly compressedOffset: number;
  readonly bit: number;
  readonly uncompressedOffset: number;
  /** As compression/window-codec.ts packs it; empty at the start of a gzip member. */
  readonly window: Uint8Array;
}

export interface ExtensionLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly mediaType: string;
  /** As sniffed from the bytes, not as labelled. */
  readonly compression: Compression;
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  readonly checkpoints: readonly ExtensionCheckpoint[];
  /** sha256 of each 4 MiB of decompressed content, 32 bytes each, concatenated. */
  readonly contentDigests: Uint8Array;
}

/** What CLIP's node cannot say of an entry. Entries with nothing to add are absent. */
export interface ExtensionEntry {
  readonly path: ByteString;
  /** Set for what is no node of the index section. */
  readonly special?: {
    readonly kind: 'character-device' | 'block-device' | 'fifo';
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly mtimeSeconds: bigint;
    readonly mtimeNanoseconds: number;
    readonly deviceMajor: number;
    readonly deviceMinor: number;
  };
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  /** Path of the file that this one is a hard link to. */
  readonly hardLinkTo?: ByteString;
  /** A sparse file: its map, and where its stored runs start. */
  readonly sparse?: { readonly regions: readonly SparseRegion[]; readonly remote: ClipRemote };
}

export interface ClipExtension {
  readonly layers: readonly ExtensionLayer[];
  readonly entries: readonly ExtensionEntry[];
}

/** Size of a span of decompressed content that has its own digest in the extension. */
export const CONTENT_DIGEST_SPAN_BYTES = 4 * 1024 * 1024;

export interface ClipFile {
  readonly nodes: readonly ClipNode[];
  readonly storageInfo: ClipStorageInfo;
  /** Absent in a file of Go CLIP. */
  readonly extension?: ClipExtension;
}

/** A `.clip` to be written: its nodes need not be in memory. */
export interface ComposedClip extends Omit<ClipFile, 'nodes'> {
  readonly nodes: ListOf<ClipNode>;
}
