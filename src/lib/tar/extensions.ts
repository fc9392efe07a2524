/** What PAX and GNU headers before a member say about it, put over what its own header says, in Go's order. */
import { EMPTY_BYTES, type ByteString } from '../byte-string.ts';
import { parseDecimal } from './decimal.ts';
import type { MemberHeader } from './member-header.ts';
import { parsePaxTime, XATTR_PREFIX, type PaxRecords } from './pax-records.ts';
import { invalidTar } from './refusal.ts';
import type { TarTime } from './tar-entry.ts';

/** Collected until the next member; each further header of a kind replaces the one before, it adds nothing to it. */
export interface PendingExtensions {
  records: PaxRecords | undefined;
  longName: ByteString;
  longLink: ByteString;
}

const NO_XATTRS: ReadonlyMap<ByteString, ByteString> = new Map();

export function noExtensions(): PendingExtensions {
  return { records: undefined, longName: EMPTY_BYTES, longLink: EMPTY_BYTES };
}

/**
 * Writes the extensions into `header` and returns its xattrs. A GNU long name wins over a PAX path, wherever it stood. Throws
 * `TAR_INVALID` for a number or time that is none.
 */
export function applyExtensions(header: MemberHeader, pending: PendingExtensions): ReadonlyMap<ByteString, ByteString> {
  const xattrs = pending.records === undefined ? NO_XATTRS : applyRecords(header, pending.records);
  if (pending.longName !== EMPTY_BYTES) header.name = pending.longName;
  if (pending.longLink !== EMPTY_BYTES) header.linkName = pending.longLink;
  return xattrs;
}

function applyRecords(header: MemberHeader, records: PaxRecords): ReadonlyMap<ByteString, ByteString> {
  let xattrs: Map<ByteString, ByteString> | undefined;
  for (const [key, value] of records) {
    // An empty value keeps what the member's own header says, and makes no xattr.
    if (value === EMPTY_BYTES) continue;
    if (key.startsWith(XATTR_PREFIX)) {
      xattrs ??= new Map();
      xattrs.set(key.slice(XATTR_PREFIX.length) as ByteString, value);
    } else {
      applyRecord(header, key, value);
    }
  }
  return xattrs ?? NO_XATTRS;
}

function applyRecord(header: MemberHeader, key: string, value: ByteString): void {
  switch (key) {
    case 'path':
      header.name = value;
      break;
    case 'linkpath':
      header.linkName = value;
      break;
    case 'uname':
      header.userName = value;
      break;
    case 'gname':
      header.groupName = value;
      break;
    case 'uid':
    case 'gid':
    case 'size':
      header[key] = toNumber(key, value);
      break;
    case 'mtime':
    case 'atime':
    case 'ctime':
      header[key] = toTime(key, value);
      break;
  }
}

function toNumber(key: string, value: ByteString): number {
  const number = parseDecimal(value);
  if (Number.isNaN(number)) throw invalidTar('number', `the PAX record ${key} is not a number`);
  return number;
}

function toTime(key: string, value: ByteString): TarTime {
  const time = parsePaxTime(value);
  if (time === undefined) throw invalidTar('number', `the PAX record ${key} is not a time`);
  return time;
}
