/** One tar entry as bytes of a page: a record of fixed length, its name and its link name. */
import type { ByteString } from '../byte-string.ts';
import type { SparseRegion, TarEntry, TarEntryKind, TarTime } from './tar-entry.ts';

/** What few entries have. */
export interface RareFields {
  readonly atime: TarTime | undefined;
  readonly ctime: TarTime | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  readonly sparse: readonly SparseRegion[] | undefined;
}

/** Plain data, to be sent; the pages can be moved (`pageBuffersOf`). */
export interface PackedEntries {
  readonly length: number;
  readonly pages: readonly Uint8Array<ArrayBuffer>[];
  readonly rare: readonly RareFields[];
  /** Each user and group name once. */
  readonly owners: readonly ByteString[];
}

/** Offsets of the fields of a record. */
export const FIELD = {
  mode: 0,
  uid: 8,
  gid: 16,
  size: 24,
  mtimeSeconds: 32,
  payloadOffset: 40,
  storedBytes: 48,
  mtimeNanoseconds: 56,
  nameBytes: 60,
  linkNameBytes: 64,
  userName: 68,
  groupName: 72,
  /** Position in the list of rare fields, from 1 on; 0: none. */
  rare: 76,
  kind: 80,
  typeFlag: 81,
} as const;
export const RECORD_BYTES = 82;

export const KINDS: readonly TarEntryKind[] = [
  'file',
  'directory',
  'symlink',
  'hardlink',
  'character-device',
  'block-device',
  'fifo',
];
const NO_XATTRS: ReadonlyMap<ByteString, ByteString> = new Map();

export interface EntryPage {
  readonly packed: PackedEntries;
  readonly text: Buffer;
  readonly view: DataView;
}

/** An entry that reads its fields from the bytes when it is asked for them. */
export class PackedEntry implements TarEntry {
  readonly #page: EntryPage;
  readonly #at: number;

  constructor(page: EntryPage, at: number) {
    this.#page = page;
    this.#at = at;
  }

  get byteLength(): number {
    return RECORD_BYTES + this.#uint32(FIELD.nameBytes) + this.#uint32(FIELD.linkNameBytes);
  }

  get kind(): TarEntryKind {
    return KINDS[this.#page.view.getUint8(this.#at + FIELD.kind)]!;
  }

  get typeFlag(): number {
    return this.#page.view.getUint8(this.#at + FIELD.typeFlag);
  }

  get name(): ByteString {
    const start = this.#at + RECORD_BYTES;
    return this.#page.text.toString('latin1', start, start + this.#uint32(FIELD.nameBytes)) as ByteString;
  }

  get linkName(): ByteString {
    const start = this.#at + RECORD_BYTES + this.#uint32(FIELD.nameBytes);
    return this.#page.text.toString('latin1', start, start + this.#uint32(FIELD.linkNameBytes)) as ByteString;
  }

  get mode(): number {
    return this.#float64(FIELD.mode);
  }

  get uid(): number {
    return this.#float64(FIELD.uid);
  }

  get gid(): number {
    return this.#float64(FIELD.gid);
  }

  get userName(): ByteString {
    return this.#page.packed.owners[this.#uint32(FIELD.userName)]!;
  }

  get groupName(): ByteString {
    return this.#page.packed.owners[this.#uint32(FIELD.groupName)]!;
  }

  get size(): number {
    return this.#float64(FIELD.size);
  }

  get mtime(): TarTime {
    return { seconds: this.#float64(FIELD.mtimeSeconds), nanoseconds: this.#uint32(FIELD.mtimeNanoseconds) };
  }

  get payloadOffset(): number {
    return this.#float64(FIELD.payloadOffset);
  }

  get storedBytes(): number {
    return this.#float64(FIELD.storedBytes);
  }

  get atime(): TarTime | undefined {
    return this.#rare?.atime;
  }

  get ctime(): TarTime | undefined {
    return this.#rare?.ctime;
  }

  get deviceMajor(): number {
    return this.#rare?.deviceMajor ?? 0;
  }

  get deviceMinor(): number {
    return this.#rare?.deviceMinor ?? 0;
  }

  get xattrs(): ReadonlyMap<ByteString, ByteString> {
    return this.#rare?.xattrs ?? NO_XATTRS;
  }

  get sparse(): readonly SparseRegion[] | undefined {
    return this.#rare?.sparse;
  }

  /** Index -1 would be looked up as a name, which is slow. */
  get #rare(): RareFields | undefined {
    const place = this.#uint32(FIELD.rare);
    return place === 0 ? undefined : this.#page.packed.rare[place - 1];
  }

  #uint32(field: number): number {
    return this.#page.view.getUint32(this.#at + field);
  }

  #float64(field: number): number {
    return this.#page.view.getFloat64(this.#at + field);
  }
}
