import type { ByteString } from '../byte-string.ts';

export type TarEntryKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';

/** Seconds since 1970 (may be negative) and nanoseconds 0..999,999,999, as Go's `archive/tar` reads them. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Bytes of a sparse file that are stored; everything between is a hole. Offsets are of the expanded file. */
export interface SparseRegion {
  readonly offset: number;
  readonly length: number;
}

/** One member of a tar, PAX and GNU extensions applied, exactly as Go's `archive/tar` would list it. */
export interface TarEntry {
  readonly kind: TarEntryKind;
  /** The type flag byte as read ('0', '5', 'S', NUL …), as a char code. */
  readonly typeFlag: number;
  /** Raw bytes, as in the header: not cleaned. */
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: ByteString;
  readonly groupName: ByteString;
  /** Size of the file's content, holes of a sparse file included; 0 for kinds without content. */
  readonly size: number;
  readonly mtime: TarTime;
  readonly atime?: TarTime | undefined;
  readonly ctime?: TarTime | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** From PAX `SCHILY.xattr.*`, values as raw bytes. */
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  /** Only for sparse files: the map. */
  readonly sparse?: readonly SparseRegion[] | undefined;
  /** Offset in the decompressed tar where the stored payload starts (after a PAX 1.0 sparse map). */
  readonly payloadOffset: number;
  /** Stored payload bytes (≠ size for sparse files), padding not included. */
  readonly storedBytes: number;
}
