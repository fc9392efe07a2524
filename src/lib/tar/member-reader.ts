/**
 * Turns header blocks into entries: which blocks are members, which are PAX and GNU headers for the next one, where a member's payload
 * starts and how long it is. It is given whole blocks and whole special headers; `scanner.ts` cuts them out of the stream.
 */
import type { ByteString } from '../byte-string.ts';
import { BLOCK_BYTES, paddingAfter } from './block.ts';
import { entryFromHeader, kindOfMember } from './entry-from-header.ts';
import { applyExtensions, noExtensions } from './extensions.ts';
import { HeaderDecoder, type MemberHeader } from './member-header.ts';
import { parsePaxRecords, type PaxRecords } from './pax-records.ts';
import { headerTooLong, invalidTar, tooManyEntries } from './refusal.ts';
import type { TarLimits } from './scan-result.ts';
import { checkSparseMap, OldSparseMap, PayloadSparseMap, readRecordMap, readSparseRecords } from './sparse-map.ts';
import type { SparseRegion, TarEntry } from './tar-entry.ts';

/** What the reader needs next: `readSpecial`, a block for one of the sparse maps, or (`payload`) nothing before the payload is over. */
export type MemberStep = 'special' | 'old-sparse' | 'payload-sparse' | 'payload';

/** A member whose header is read. */
interface OpenMember {
  readonly header: MemberHeader;
  /** As read; in `header` a NUL is already what it means. */
  readonly typeFlag: number;
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
}

const FLAG = {
  nul: 0,
  file: 0x30,
  directory: 0x35,
  sparse: 0x53,
  longName: 0x4c,
  longLink: 0x4b,
  pax: 0x78,
  globalPax: 0x67,
} as const;
const SLASH = '/';

/** State between the blocks of a tar. */
export class MemberReader {
  readonly #onEntry: (entry: TarEntry) => void;
  readonly #limits: TarLimits;
  readonly #decoder = new HeaderDecoder();
  #pending = noExtensions();
  #specialFlag = 0;
  #member: OpenMember | undefined;
  #oldSparse: OldSparseMap | undefined;
  #payloadSparse: PayloadSparseMap | undefined;
  /** Stored bytes of the current member that are still to pass, and the padding behind them. */
  payloadBytes = 0;
  paddingBytes = 0;
  entryCount = 0;
  globalHeaderCount = 0;
  readonly ignored = new Map<number, number>();

  constructor(onEntry: (entry: TarEntry) => void, limits: TarLimits) {
    this.#onEntry = onEntry;
    this.#limits = limits;
  }

  /** Takes a header block, which ends at `endOffset` of the tar. */
  readHeader(block: Buffer, start: number, endOffset: number): MemberStep {
    const header = this.#decoder.decode(block, start);
    this.#setPayload(header);
    if (isSpecial(header.typeFlag)) return this.#openSpecial(header);
    const { typeFlag } = header;
    const { records } = this.#pending;
    const xattrs = applyExtensions(header, this.#pending);
    this.#pending = noExtensions();
    if (typeFlag === FLAG.nul) header.typeFlag = header.name.endsWith(SLASH) ? FLAG.directory : FLAG.file;
    this.#setPayload(header);
    if (!Number.isFinite(this.payloadBytes)) throw invalidTar('unsafe-number', 'a tar member has a size beyond 2^53');
    const member = { header, typeFlag, xattrs };
    if (typeFlag === FLAG.sparse) {
      this.#member = member;
      this.#oldSparse = new OldSparseMap(this.#limits.maxHeaderBytes);
      const isExtended = this.#oldSparse.readHeader(block, start, header);
      return isExtended ? 'old-sparse' : this.#closeSparse(this.#oldSparse.regions, endOffset);
    }
    return this.#openMember(member, records, endOffset);
  }

  /** Takes the content of a PAX header or GNU long name, right after `readHeader` said `special`. */
  readSpecial(content: Buffer): void {
    this.payloadBytes = 0;
    if (this.#specialFlag === FLAG.longName) this.#pending.longName = untilNul(content);
    else if (this.#specialFlag === FLAG.longLink) this.#pending.longLink = untilNul(content);
    else if (this.#specialFlag === FLAG.pax) this.#pending.records = parsePaxRecords(content);
    else this.#closeGlobal(content);
  }

  /** Takes an extension block of an old GNU sparse map. */
  readOldSparse(block: Buffer, start: number, endOffset: number): MemberStep {
    const map = this.#oldSparse;
    if (map === undefined || map.readExtension(block, start)) return 'old-sparse';
    return this.#closeSparse(map.regions, endOffset);
  }

  /** Takes a block of a PAX 1.0 sparse map, which is part of the stored payload. */
  readPayloadSparse(block: Buffer, start: number, endOffset: number): MemberStep {
    if (this.payloadBytes < BLOCK_BYTES) throw invalidTar('sparse-map', 'a sparse map is longer than its member');
    this.payloadBytes -= BLOCK_BYTES;
    const regions = this.#payloadSparse?.readBlock(block, start);
    return regions === undefined ? 'payload-sparse' : this.#closeSparse(regions, endOffset);
  }

  #setPayload(header: MemberHeader): void {
    const storedBytes = hasPayload(header.typeFlag) ? header.size : 0;
    if (storedBytes < 0) throw invalidTar('negative-size', 'a tar member has a negative size');
    this.payloadBytes = storedBytes;
    this.paddingBytes = paddingAfter(storedBytes);
  }

  /** Refused by the claimed size alone, before a byte of it is kept. */
  #openSpecial(header: MemberHeader): MemberStep {
    const { maxHeaderBytes } = this.#limits;
    if (header.size > maxHeaderBytes) throw headerTooLong('a PAX or GNU header', header.size, maxHeaderBytes);
    this.#specialFlag = header.typeFlag;
    return 'special';
  }

  /** Go hands a global header to its caller and forgets what stood before it, so an `x` before a `g` is void. */
  #closeGlobal(content: Buffer): void {
    parsePaxRecords(content);
    this.globalHeaderCount++;
    this.#pending = noExtensions();
  }

  #openMember(member: OpenMember, records: PaxRecords | undefined, endOffset: number): MemberStep {
    const version = records === undefined ? undefined : readSparseRecords(member.header, records);
    if (records === undefined || version === undefined) return this.#close(member, undefined, endOffset);
    if (!hasPayload(member.header.typeFlag)) throw invalidTar('sparse-map', 'a member without content has a sparse map');
    this.#member = member;
    if (version === '0.x') return this.#closeSparse(readRecordMap(records), endOffset);
    if (this.payloadBytes < BLOCK_BYTES) throw invalidTar('sparse-map', 'a sparse map is longer than its member');
    this.#payloadSparse = new PayloadSparseMap(this.#limits.maxHeaderBytes);
    return 'payload-sparse';
  }

  #closeSparse(regions: readonly SparseRegion[], endOffset: number): MemberStep {
    const member = this.#member;
    this.#member = this.#oldSparse = this.#payloadSparse = undefined;
    if (member === undefined) return 'payload';
    checkSparseMap(regions, member.header.size);
    return this.#close(member, regions, endOffset);
  }

  #close(member: OpenMember, sparse: readonly SparseRegion[] | undefined, payloadOffset: number): MemberStep {
    const { header, typeFlag, xattrs } = member;
    const kind = kindOfMember(header.typeFlag);
    if (kind === undefined) {
      this.ignored.set(typeFlag, (this.ignored.get(typeFlag) ?? 0) + 1);
      return 'payload';
    }
    if (this.entryCount >= this.#limits.maxEntries) throw tooManyEntries(this.#limits.maxEntries);
    const facts = { kind, typeFlag, xattrs, sparse, payloadOffset, storedBytes: this.payloadBytes };
    const entry = entryFromHeader(header, facts);
    this.entryCount++;
    this.#onEntry(entry);
    return 'payload';
  }
}

function isSpecial(typeFlag: number): boolean {
  return typeFlag === FLAG.pax || typeFlag === FLAG.globalPax || typeFlag === FLAG.longName || typeFlag === FLAG.longLink;
}

/** Links, devices, directories and fifos have no payload, whatever size they claim. */
function hasPayload(typeFlag: number): boolean {
  return typeFlag < 0x31 || typeFlag > 0x36;
}

function untilNul(content: Buffer): ByteString {
  const end = content.indexOf(0);
  return content.toString('latin1', 0, end === -1 ? content.length : end) as ByteString;
}
