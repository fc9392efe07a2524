/**
 * Tar entries as bytes: what a worker hands over is moved between threads, not copied object by object, and an entry
 * that waits to be merged takes a fourth of the memory. A page holds entries one behind the other, each a record of
 * fixed length, its name and its link name.
 */
import type { ByteString } from '../byte-string.ts';
import type { SparseRegion, TarEntry, TarEntryKind, TarTime } from './tar-entry.ts';

/** A list that is read from its start to its end; an array is one. */
export interface EntryList extends Iterable<TarEntry> {
  readonly length: number;
}

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

const PAGE_BYTES = 64 * 1024;
/** Offsets of the fields of a record. */
const FIELD = {
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
const RECORD_BYTES = 82;

const KINDS: readonly TarEntryKind[] = ['file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo'];
const NO_XATTRS: ReadonlyMap<ByteString, ByteString> = new Map();

/** Takes entries in tar order. */
export class EntryPacker {
  readonly #pages: Uint8Array<ArrayBuffer>[] = [];
  readonly #rare: RareFields[] = [];
  readonly #owners = new Map<ByteString, number>();
  #page = Buffer.from(new ArrayBuffer(0));
  #view = new DataView(this.#page.buffer);
  #used = 0;
  #length = 0;

  add(entry: TarEntry): void {
    const { name, linkName } = entry;
    const at = this.#reserve(RECORD_BYTES + name.length + linkName.length);
    const view = this.#view;
    view.setFloat64(at + FIELD.mode, entry.mode);
    view.setFloat64(at + FIELD.uid, entry.uid);
    view.setFloat64(at + FIELD.gid, entry.gid);
    view.setFloat64(at + FIELD.size, entry.size);
    view.setFloat64(at + FIELD.mtimeSeconds, entry.mtime.seconds);
    view.setFloat64(at + FIELD.payloadOffset, entry.payloadOffset);
    view.setFloat64(at + FIELD.storedBytes, entry.storedBytes);
    view.setUint32(at + FIELD.mtimeNanoseconds, entry.mtime.nanoseconds);
    view.setUint32(at + FIELD.nameBytes, name.length);
    view.setUint32(at + FIELD.linkNameBytes, linkName.length);
    view.setUint32(at + FIELD.userName, this.#ownerOf(entry.userName));
    view.setUint32(at + FIELD.groupName, this.#ownerOf(entry.groupName));
    view.setUint32(at + FIELD.rare, this.#rareOf(entry));
    view.setUint8(at + FIELD.kind, KINDS.indexOf(entry.kind));
    view.setUint8(at + FIELD.typeFlag, entry.typeFlag);
    this.#page.write(name, at + RECORD_BYTES, 'latin1');
    if (linkName.length > 0) this.#page.write(linkName, at + RECORD_BYTES + name.length, 'latin1');
    this.#length++;
  }

  finish(): PackedEntries {
    this.#closePage();
    return { length: this.#length, pages: this.#pages, rare: this.#rare, owners: [...this.#owners.keys()] };
  }

  #reserve(bytes: number): number {
    if (this.#page.length - this.#used < bytes) {
      this.#closePage();
      this.#page = Buffer.from(new ArrayBuffer(Math.max(PAGE_BYTES, bytes)));
      this.#view = new DataView(this.#page.buffer);
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }

  #closePage(): void {
    if (this.#used > 0) this.#pages.push(new Uint8Array(this.#page.buffer, 0, this.#used));
    this.#used = 0;
  }

  #ownerOf(name: ByteString): number {
    const known = this.#owners.get(name) ?? this.#owners.size;
    if (known === this.#owners.size) this.#owners.set(name, known);
    return known;
  }

  #rareOf({ atime, ctime, deviceMajor, deviceMinor, xattrs, sparse }: TarEntry): number {
    const isPlain = atime === undefined && ctime === undefined && sparse === undefined;
    if (isPlain && deviceMajor === 0 && deviceMinor === 0 && xattrs.size === 0) return 0;
    return this.#rare.push({ atime, ctime, deviceMajor, deviceMinor, xattrs, sparse });
  }
}

/**
 * True when every entry can be read and lies within `tarBytes` of content: for pages that somebody else may have written.
 * The lists beside the pages are the caller's to check.
 */
export function areWholeEntries({ length, pages, rare, owners }: PackedEntries, tarBytes: number): boolean {
  let found = 0;
  for (const page of pages) {
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    for (let at = 0; at < page.length; found++) {
      if (page.length - at < RECORD_BYTES) return false;
      const nameBytes = view.getUint32(at + FIELD.nameBytes) + view.getUint32(at + FIELD.linkNameBytes);
      if (page.length - at - RECORD_BYTES < nameBytes || !isWholeRecord(view, at, tarBytes)) return false;
      if (view.getUint32(at + FIELD.rare) > rare.length) return false;
      if (Math.max(view.getUint32(at + FIELD.userName), view.getUint32(at + FIELD.groupName)) >= owners.length) return false;
      at += RECORD_BYTES + nameBytes;
    }
  }
  return found === length;
}

function isWholeRecord(view: DataView, at: number, tarBytes: number): boolean {
  const numbers = [FIELD.mode, FIELD.uid, FIELD.gid, FIELD.size, FIELD.mtimeSeconds, FIELD.payloadOffset, FIELD.storedBytes];
  if (!numbers.every((field) => Number.isSafeInteger(view.getFloat64(at + field)))) return false;
  const payloadOffset = view.getFloat64(at + FIELD.payloadOffset);
  const storedBytes = view.getFloat64(at + FIELD.storedBytes);
  const isWithin = payloadOffset >= 0 && storedBytes >= 0 && payloadOffset + storedBytes <= tarBytes;
  const hasTime = view.getUint32(at + FIELD.mtimeNanoseconds) < 1e9;
  return isWithin && hasTime && view.getFloat64(at + FIELD.size) >= 0 && view.getUint8(at + FIELD.kind) < KINDS.length;
}

/** The memory that can be moved to another thread with the entries. */
export function pageBuffersOf({ pages }: PackedEntries): ArrayBuffer[] {
  return pages.map((page) => page.buffer);
}

/** The entries again; each reads its fields from the bytes when it is asked for them. */
export function openEntries(packed: PackedEntries): EntryList {
  if (packed.length === 0) return [];
  return { length: packed.length, [Symbol.iterator]: () => iterate(packed) };
}

function* iterate(packed: PackedEntries): Generator<TarEntry, void, undefined> {
  for (const bytes of packed.pages) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const page = { packed, text, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    for (let at = 0; at < bytes.length;) {
      const entry = new PackedEntry(page, at);
      at += entry.byteLength;
      yield entry;
    }
  }
}

interface Page {
  readonly packed: PackedEntries;
  readonly text: Buffer;
  readonly view: DataView;
}

class PackedEntry implements TarEntry {
  readonly #page: Page;
  readonly #at: number;

  constructor(page: Page, at: number) {
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

  get #rare(): RareFields | undefined {
    return this.#page.packed.rare[this.#uint32(FIELD.rare) - 1];
  }

  #uint32(field: number): number {
    return this.#page.view.getUint32(this.#at + field);
  }

  #float64(field: number): number {
    return this.#page.view.getFloat64(this.#at + field);
  }
}
