/**
 * Tar entries as bytes: what a worker hands over is moved between threads, not copied object by object, and an entry
 * that waits to be merged takes a fourth of the memory. A page holds entries one behind the other, each a record of
 * fixed length, its name and its link name.
 */
import type { ByteString } from '../byte-string.ts';
import { FIELD, KINDS, PackedEntry, RECORD_BYTES, type PackedEntries, type RareFields } from './packed-entry.ts';
import type { TarEntry } from './tar-entry.ts';

/** A list that is read from its start to its end; an array is one. */
export interface EntryList extends Iterable<TarEntry> {
  readonly length: number;
}

const PAGE_BYTES = 64 * 1024;

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

const openedFrom = new WeakMap<EntryList, PackedEntries>();

/** The entries again; each reads its fields from the bytes when it is asked for them. */
export function openEntries(packed: PackedEntries): EntryList {
  if (packed.length === 0) return [];
  const entries = { length: packed.length, [Symbol.iterator]: () => iterate(packed) };
  openedFrom.set(entries, packed);
  return entries;
}

/** The bytes of a list: those it was opened from, if any, as packing again takes as long as a merge. */
export function packEntries(entries: EntryList): PackedEntries {
  const packed = openedFrom.get(entries);
  if (packed !== undefined) return packed;
  const packer = new EntryPacker();
  for (const entry of entries) packer.add(entry);
  return packer.finish();
}

function* iterate(packed: PackedEntries): Generator<TarEntry, void, undefined> {
  for (const bytes of packed.pages) {
    const { buffer, byteOffset, byteLength } = bytes;
    const text = Buffer.from(buffer, byteOffset, byteLength);
    const page = { packed, text, view: new DataView(buffer, byteOffset, byteLength) };
    for (let at = 0; at < bytes.length;) {
      const entry = new PackedEntry(page, at);
      at += entry.byteLength;
      yield entry;
    }
  }
}
