/**
 * Sparse maps (GNU tar manual, "Storing Sparse Files"): the stored regions of a file, in order. Old GNU keeps them in the header and in
 * blocks behind it, PAX 0.0 and 0.1 in records, PAX 1.0 in front of the payload. Numbers in PAX maps are decimal.
 */
import { EMPTY_BYTES, type ByteString } from '../byte-string.ts';
import { BLOCK_BYTES } from './block.ts';
import { parseDecimal } from './decimal.ts';
import { readNumber, type MemberHeader } from './member-header.ts';
import type { PaxRecords } from './pax-records.ts';
import { headerTooLong, invalidTar } from './refusal.ts';
import type { SparseRegion } from './tar-entry.ts';

const REGION_FIELD_BYTES = 12;
const REGION_BYTES = 2 * REGION_FIELD_BYTES;
const HEADER_TABLE_START = 386;
const HEADER_TABLE_REGIONS = 4;
const EXTENSION_REGIONS = 21;
const REAL_SIZE_START = 483;
const NEWLINE = 0x0a;
const BAD_MAP = 'a sparse map is malformed';

/** Throws `TAR_INVALID` unless the regions lie in order, apart and within `size`. */
export function checkSparseMap(regions: readonly SparseRegion[], size: number): void {
  let previousEnd = 0;
  let isValid = size >= 0;
  for (const { offset, length } of regions) {
    if (offset < previousEnd || length < 0 || offset + length > size) isValid = false;
    previousEnd = offset + length;
  }
  if (!isValid) throw invalidTar('sparse-map', BAD_MAP);
}

/** Old GNU map (type flag `S`): four regions in the header, then 21 in each extension block. */
export class OldSparseMap {
  readonly regions: SparseRegion[] = [];
  readonly #maxBytes: number;
  #tableBytes = HEADER_TABLE_REGIONS * REGION_BYTES + 1;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the header block and sets the expanded size; true when an extension block follows. */
  readHeader(block: Buffer, start: number, header: MemberHeader): boolean {
    if (header.format !== 'gnu') throw invalidTar('sparse-map', 'a sparse member is not in GNU format');
    header.size = readNumber(block, start + REAL_SIZE_START, REGION_FIELD_BYTES);
    return this.#readTable(block, start + HEADER_TABLE_START, HEADER_TABLE_REGIONS);
  }

  /** Takes an extension block; true when another follows. */
  readExtension(block: Buffer, start: number): boolean {
    this.#tableBytes += BLOCK_BYTES;
    if (this.#tableBytes >= this.#maxBytes) throw headerTooLong('a sparse map', this.#tableBytes, this.#maxBytes);
    return this.#readTable(block, start, EXTENSION_REGIONS);
  }

  #readTable(block: Buffer, start: number, maxRegions: number): boolean {
    for (let index = 0; index < maxRegions; index++) {
      const at = start + index * REGION_BYTES;
      if (block[at] === 0) break;
      const offset = readNumber(block, at, REGION_FIELD_BYTES);
      this.regions.push({ offset, length: readNumber(block, at + REGION_FIELD_BYTES, REGION_FIELD_BYTES) });
    }
    return block[start + maxRegions * REGION_BYTES] !== 0;
  }
}

/**
 * Which PAX sparse format the records announce, with the name and size of the expanded file written into `header`; undefined for a
 * file that is not sparse.
 */
export function readSparseRecords(header: MemberHeader, records: PaxRecords | undefined): '0.x' | '1.0' | undefined {
  if (records === undefined) return undefined;
  const version = sparseVersion(records);
  if (version === undefined) return undefined;
  const name = sparseRecord(records, 'name');
  if (name !== EMPTY_BYTES) header.name = name;
  const size = sparseRecord(records, 'size') || sparseRecord(records, 'realsize');
  if (size !== EMPTY_BYTES) header.size = sparseNumber(size, 0, size.length);
  return version;
}

function sparseVersion(records: PaxRecords): '0.x' | '1.0' | undefined {
  const major = sparseRecord(records, 'major');
  const minor = sparseRecord(records, 'minor');
  if (major === '0' && (minor === '0' || minor === '1')) return '0.x';
  if (major === '1' && minor === '0') return '1.0';
  if (major !== EMPTY_BYTES || minor !== EMPTY_BYTES) return undefined;
  return sparseRecord(records, 'map') === EMPTY_BYTES ? undefined : '0.x';
}

function sparseRecord(records: PaxRecords, key: string): ByteString {
  return records.get(`GNU.sparse.${key}`) ?? EMPTY_BYTES;
}

/** The map of PAX 0.0 and 0.1. */
export function readRecordMap(records: PaxRecords): SparseRegion[] {
  const map = sparseRecord(records, 'map');
  const count = sparseNumber(sparseRecord(records, 'numblocks'));
  const regions = map === EMPTY_BYTES ? [] : readRegions(map, { separator: ',', start: 0, maxRegions: Infinity });
  if (count !== regions.length) throw invalidTar('sparse-map', BAD_MAP);
  return regions;
}

/** The map of PAX 1.0: newline-ended numbers, the count first, filling whole blocks in front of the payload. */
export class PayloadSparseMap {
  readonly #maxBytes: number;
  readonly #blocks: string[] = [];
  #newlines = 0;
  #neededNewlines: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next block; the regions once the map is whole. */
  readBlock(block: Buffer, start: number): SparseRegion[] | undefined {
    this.#refuseOver((this.#blocks.length + 1) * BLOCK_BYTES);
    this.#blocks.push(block.toString('latin1', start, start + BLOCK_BYTES));
    for (let at = start; at < start + BLOCK_BYTES; at++) if (block[at] === NEWLINE) this.#newlines++;
    if (this.#newlines === 0) return undefined;
    this.#neededNewlines ??= this.#readCount();
    if (this.#newlines < this.#neededNewlines) return undefined;
    const text = this.#blocks.join('');
    const maxRegions = (this.#neededNewlines - 1) / 2;
    return readRegions(text, { separator: '\n', start: text.indexOf('\n') + 1, maxRegions });
  }

  #readCount(): number {
    const text = this.#blocks.join('');
    const count = sparseNumber(text, 0, text.indexOf('\n'));
    if (count < 0) throw invalidTar('sparse-map', BAD_MAP);
    // Each region takes at least "0\n0\n": refuse a count that can't fit before reading on.
    if (count > this.#maxBytes / 4) throw headerTooLong('a sparse map', count * 4, this.#maxBytes);
    return 1 + 2 * count;
  }

  #refuseOver(mapBytes: number): void {
    if (mapBytes > this.#maxBytes) throw headerTooLong('a sparse map', mapBytes, this.#maxBytes);
  }
}

interface RegionList {
  readonly separator: string;
  readonly start: number;
  readonly maxRegions: number;
}

/** Pairs of numbers in `text` from `start` on, at most `maxRegions`; the last may be ended by the end of the text. */
function readRegions(text: string, { separator, start, maxRegions }: RegionList): SparseRegion[] {
  const regions: SparseRegion[] = [];
  let at = start;
  while (regions.length < maxRegions && at <= text.length) {
    const middle = endOfNumber(text, separator, at);
    if (middle === text.length) throw invalidTar('sparse-map', BAD_MAP);
    const end = endOfNumber(text, separator, middle + 1);
    regions.push({ offset: sparseNumber(text, at, middle), length: sparseNumber(text, middle + 1, end) });
    at = end + 1;
  }
  return regions;
}

function endOfNumber(text: string, separator: string, start: number): number {
  const end = text.indexOf(separator, start);
  return end === -1 ? text.length : end;
}

function sparseNumber(text: string, start = 0, end = text.length): number {
  const number = parseDecimal(text, start, end);
  if (Number.isNaN(number)) throw invalidTar('sparse-map', BAD_MAP);
  return number;
}
