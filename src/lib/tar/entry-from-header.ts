import type { ByteString } from '../byte-string.ts';
import type { MemberHeader } from './member-header.ts';
import { invalidTar } from './refusal.ts';
import type { SparseRegion, TarEntry, TarEntryKind } from './tar-entry.ts';

/** The kind of a member by its type flag; undefined for flags that layer readers ignore. `7` (contiguous) is a file by POSIX. */
export function kindOfMember(typeFlag: number): TarEntryKind | undefined {
  switch (typeFlag) {
    case 0x30:
    case 0x37:
    case 0x53:
      return 'file';
    case 0x35:
      return 'directory';
    case 0x32:
      return 'symlink';
    case 0x31:
      return 'hardlink';
    case 0x33:
      return 'character-device';
    case 0x34:
      return 'block-device';
    case 0x36:
      return 'fifo';
    default:
      return undefined;
  }
}

/** What is known of a member besides its header. */
export interface MemberFacts {
  readonly kind: TarEntryKind;
  /** The flag as read; `header.typeFlag` has NUL already turned into what it means. */
  readonly typeFlag: number;
  readonly xattrs: ReadonlyMap<ByteString, ByteString>;
  readonly sparse: readonly SparseRegion[] | undefined;
  readonly payloadOffset: number;
  readonly storedBytes: number;
}

type Draft = { -readonly [Key in keyof TarEntry]: TarEntry[Key] };

/** The entry; throws `TAR_INVALID` (unsafe-number) when a number of it is beyond what JavaScript can hold exactly. */
export function entryFromHeader(header: MemberHeader, facts: MemberFacts): TarEntry {
  const size = facts.kind === 'file' ? header.size : 0;
  refuseUnsafe(header, size);
  const entry: Draft = {
    kind: facts.kind,
    typeFlag: facts.typeFlag,
    name: header.name,
    linkName: header.linkName,
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    userName: header.userName,
    groupName: header.groupName,
    size,
    mtime: header.mtime,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs: facts.xattrs,
    payloadOffset: facts.payloadOffset,
    storedBytes: facts.storedBytes,
  };
  if (header.atime !== undefined) entry.atime = header.atime;
  if (header.ctime !== undefined) entry.ctime = header.ctime;
  if (facts.sparse !== undefined) entry.sparse = facts.sparse;
  return entry;
}

/** An int64 out of range arrives as ±Infinity, so a sum that is not finite tells that one of them is. */
function refuseUnsafe(header: MemberHeader, size: number): void {
  const numbers = header.mode + header.uid + header.gid + header.deviceMajor + header.deviceMinor + size;
  const times = header.mtime.seconds + (header.atime?.seconds ?? 0) + (header.ctime?.seconds ?? 0);
  if (Number.isFinite(numbers + times)) return;
  throw invalidTar('unsafe-number', 'a tar header has a number beyond 2^53');
}
