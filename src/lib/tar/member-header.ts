/** One header block decoded, before PAX and GNU extensions: ustar, GNU, STAR and V7, read as Go's `archive/tar` reads them. */
import { EMPTY_BYTES, type ByteString } from '../byte-string.ts';
import { recognizeFormat, type HeaderFormat } from './block.ts';
import { parseNumeric } from './numeric-field.ts';
import { invalidTar } from './refusal.ts';
import type { TarTime } from './tar-entry.ts';

/**
 * Numbers are safe integers or ±Infinity (an int64 out of our range). `size` counts stored bytes until a sparse map turns it
 * into the size of the expanded file.
 */
export interface MemberHeader {
  format: HeaderFormat;
  typeFlag: number;
  name: ByteString;
  linkName: ByteString;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: TarTime;
  atime: TarTime | undefined;
  ctime: TarTime | undefined;
  userName: ByteString;
  groupName: ByteString;
  deviceMajor: number;
  deviceMinor: number;
}

const PREFIX_START = 345;
const USTAR_PREFIX_BYTES = 155;
const STAR_PREFIX_BYTES = 131;
const TIME_BYTES = 12;
const OWNER_BYTES = 32;

/** Decodes header blocks; keeps the last times and owner names, which most entries of a layer share. */
export class HeaderDecoder {
  #lastTime: TarTime = { seconds: 0, nanoseconds: 0 };
  #lastUserName = EMPTY_BYTES;
  #lastGroupName = EMPTY_BYTES;

  /** The header at `start`; throws `TAR_INVALID` (checksum, number). */
  decode(block: Buffer, start: number): MemberHeader {
    const format = recognizeFormat(block, start);
    if (format === undefined) throw invalidTar('checksum', 'a tar header has a wrong checksum');
    const header: MemberHeader = {
      format,
      typeFlag: block[start + 156]!,
      name: readText(block, start, 100),
      linkName: readText(block, start + 157, 100),
      mode: readNumber(block, start + 100, 8),
      uid: readNumber(block, start + 108, 8),
      gid: readNumber(block, start + 116, 8),
      size: readNumber(block, start + 124, TIME_BYTES),
      mtime: this.#time(readNumber(block, start + 136, TIME_BYTES)),
      atime: undefined,
      ctime: undefined,
      userName: EMPTY_BYTES,
      groupName: EMPTY_BYTES,
      deviceMajor: 0,
      deviceMinor: 0,
    };
    if (format !== 'v7') this.#decodeOwnerAndPrefix(block, start, header);
    return header;
  }

  #decodeOwnerAndPrefix(block: Buffer, start: number, header: MemberHeader): void {
    this.#lastUserName = header.userName = readOwner(this.#lastUserName, block, start + 265);
    this.#lastGroupName = header.groupName = readOwner(this.#lastGroupName, block, start + 297);
    header.deviceMajor = readNumber(block, start + 329, 8);
    header.deviceMinor = readNumber(block, start + 337, 8);
    const prefix = this.#decodePrefix(block, start, header);
    if (prefix !== EMPTY_BYTES) header.name = `${prefix}/${header.name}` as ByteString;
  }

  #decodePrefix(block: Buffer, start: number, header: MemberHeader): ByteString {
    if (header.format === 'ustar') return readText(block, start + PREFIX_START, USTAR_PREFIX_BYTES);
    if (header.format === 'gnu') return this.#decodeGnuTimes(block, start, header);
    header.atime = this.#time(readNumber(block, start + 476, TIME_BYTES));
    header.ctime = this.#time(readNumber(block, start + 488, TIME_BYTES));
    return readText(block, start + PREFIX_START, STAR_PREFIX_BYTES);
  }

  /**
   * GNU has atime and ctime where ustar has the prefix. Writers older than Go 1.8 put a prefix there: when the times are no numbers
   * and the text is ASCII, Go takes it as the prefix, and so do we.
   */
  #decodeGnuTimes(block: Buffer, start: number, header: MemberHeader): ByteString {
    const atimeStart = start + PREFIX_START;
    const ctimeStart = atimeStart + TIME_BYTES;
    const atime = parseNumeric(block, atimeStart, TIME_BYTES);
    const ctime = parseNumeric(block, ctimeStart, TIME_BYTES);
    const isAtimeBad = block[atimeStart] !== 0 && Number.isNaN(atime);
    const isCtimeBad = block[ctimeStart] !== 0 && Number.isNaN(ctime);
    if (isAtimeBad || isCtimeBad) {
      const prefix = readText(block, atimeStart, USTAR_PREFIX_BYTES);
      return isAscii(prefix) ? prefix : EMPTY_BYTES;
    }
    if (block[atimeStart] !== 0) header.atime = this.#time(atime);
    if (block[ctimeStart] !== 0) header.ctime = this.#time(ctime);
    return EMPTY_BYTES;
  }

  #time(seconds: number): TarTime {
    if (this.#lastTime.seconds !== seconds) this.#lastTime = { seconds, nanoseconds: 0 };
    return this.#lastTime;
  }
}

/** A numeric field, or `TAR_INVALID`. */
export function readNumber(block: Buffer, start: number, length: number): number {
  const value = parseNumeric(block, start, length);
  if (Number.isNaN(value)) throw invalidTar('number', `a tar header has no number at byte ${start % 512} of its block`);
  return value;
}

/** Bytes up to the first NUL; all of them without one. */
function readText(block: Buffer, start: number, maxBytes: number): ByteString {
  if (block[start] === 0) return EMPTY_BYTES;
  let end = start + 1;
  while (end < start + maxBytes && block[end] !== 0) end++;
  return block.toString('latin1', start, end) as ByteString;
}

/** The owner's name at `start`: `last` again when it says the same. */
function readOwner(last: ByteString, block: Buffer, start: number): ByteString {
  const { length } = last;
  for (let index = 0; index < length; index++) {
    if (block[start + index] !== last.charCodeAt(index)) return readText(block, start, OWNER_BYTES);
  }
  return length === OWNER_BYTES || block[start + length] === 0 ? last : readText(block, start, OWNER_BYTES);
}

function isAscii(text: ByteString): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) >= 0x80) return false;
  return true;
}
