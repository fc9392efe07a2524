/**
 * PAX extended headers (POSIX.1-2001, pax, "pax Extended Header"): rows of `"%d %s=%s\n"`. What is a record is decided as in Go's
 * `archive/tar`; values are raw bytes, since xattrs need not be UTF-8.
 */
import type { ByteString } from '../byte-string.ts';
import { parseDecimal } from './decimal.ts';
import { invalidTar } from './refusal.ts';
import type { TarTime } from './tar-entry.ts';

/** Records by key; only keys that change an entry are kept. The last of a repeated key counts. */
export type PaxRecords = ReadonlyMap<string, ByteString>;

export const XATTR_PREFIX = 'SCHILY.xattr.';

const TEXT_KEYS: ReadonlySet<string> = new Set(['path', 'linkpath', 'uname', 'gname']);
const KEPT_KEYS: ReadonlySet<string> = new Set([
  ...TEXT_KEYS,
  ...['uid', 'gid', 'size', 'mtime', 'atime', 'ctime'],
  ...['major', 'minor', 'name', 'size', 'realsize', 'numblocks', 'map'].map((key) => `GNU.sparse.${key}`),
]);

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const SHORTEST_RECORD_BYTES = 5;
const INVALID = 'a PAX header has a malformed record';

/** The records of one PAX header; throws `TAR_INVALID`. */
export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const records = new Map<string, ByteString>();
  const sparseNumbers: ByteString[] = [];
  for (let start = 0; start < bytes.length;) {
    const record = readRecord(bytes, start);
    start = record.end;
    if (isSparsePair(record.key)) sparseNumbers.push(checkSparsePair(record, sparseNumbers.length));
    else if (KEPT_KEYS.has(record.key) || record.key.startsWith(XATTR_PREFIX)) records.set(record.key, record.value);
  }
  // GNU sparse format 0.0 repeats keys; joined they are the map of format 0.1.
  if (sparseNumbers.length > 0) records.set('GNU.sparse.map', sparseNumbers.join(',') as ByteString);
  return records;
}

interface PaxRecord {
  readonly key: string;
  readonly value: ByteString;
  readonly end: number;
}

function readRecord(bytes: Buffer, start: number): PaxRecord {
  const space = find(bytes, SPACE, start);
  const length = readLength(bytes, start, space);
  const end = start + length;
  if (!(length >= SHORTEST_RECORD_BYTES) || end > bytes.length || bytes[end - 1] !== NEWLINE) {
    throw invalidTar('pax-record', INVALID);
  }
  const equals = find(bytes, EQUALS, space + 1);
  const key = bytes.toString('latin1', space + 1, equals);
  const value = bytes.toString('latin1', equals + 1, end - 1) as ByteString;
  if (key === '' || equals >= end - 1 || (TEXT_KEYS.has(key) ? value : key).includes('\0')) {
    throw invalidTar('pax-record', INVALID);
  }
  return { key, value, end };
}

/** Where `byte` is from `start` on, or the end. What is looked for is near: a loop beats the call of Buffer.indexOf. */
function find(bytes: Buffer, byte: number, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== byte) at++;
  return at;
}

/** The usual one to seven digits fast; signs and longer rows as `parseDecimal` has them. */
function readLength(bytes: Buffer, start: number, end: number): number {
  if (end - start > 7) return parseDecimal(bytes.toString('latin1', start, end));
  let value = end === start ? NaN : 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return parseDecimal(bytes.toString('latin1', start, end));
    value = value * 10 + digit;
  }
  return value;
}

function isSparsePair(key: string): boolean {
  return key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes';
}

function checkSparsePair(record: PaxRecord, index: number): ByteString {
  const expected = index % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes';
  if (record.key !== expected || record.value.includes(',')) throw invalidTar('pax-record', INVALID);
  return record.value;
}

/** `seconds[.fraction]`, the sign standing for both parts, digits beyond nanoseconds cut; undefined when it is none. */
export function parsePaxTime(text: string): TarTime | undefined {
  const dot = text.indexOf('.');
  const seconds = parseDecimal(text, 0, dot === -1 ? text.length : dot);
  if (Number.isNaN(seconds)) return undefined;
  const fraction = dot === -1 ? '' : text.slice(dot + 1);
  if (!isDigits(fraction)) return undefined;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (nanoseconds === 0 || !text.startsWith('-')) return { seconds, nanoseconds };
  return { seconds: seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

function isDigits(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
