/** One form for what our scanner and Go's archive/tar say about a tar, so that the two can be compared and recorded. */
import { createHash } from 'node:crypto';
import { ClipctlError } from '../../src/lib/errors.ts';
import { kindOfMember } from '../../src/lib/tar/entry-from-header.ts';
import type { SparseRegion, TarEntry, TarTime } from '../../src/lib/tar/tar-entry.ts';
import { scan } from './scan.ts';

/** Seconds of Go's zero time, which stands for "no time". */
const GO_ZERO_TIME = '-62135596800';

/** `listing` is canonical text; `error` means refused; `unsafe-number` is the one named difference (see differential.test.ts). */
export type Verdict = { readonly listing: string } | 'error' | 'unsafe-number';

/** What test/interop/tar/go-lister prints for an entry. */
export interface GoEntry {
  readonly typeFlag: number;
  readonly name: string;
  readonly linkName: string;
  readonly size: string;
  readonly mode: string;
  readonly uid: string;
  readonly gid: string;
  readonly userName: string;
  readonly groupName: string;
  readonly mtime: readonly [string, string];
  readonly atime: readonly [string, string];
  readonly ctime: readonly [string, string];
  readonly deviceMajor: string;
  readonly deviceMinor: string;
  readonly payloadOffset: string;
  readonly storedBytes: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly holes: readonly (readonly [string, string])[] | null;
}

export interface GoListing {
  readonly entries: readonly GoEntry[];
  readonly error?: string;
}

/** Our verdict on a tar. */
export function ourVerdict(tar: Uint8Array, pieceBytes: readonly number[] = []): Verdict {
  try {
    const { entries, ignored, globalHeaderCount } = scan(tar, pieceBytes);
    return { listing: canonical(entries.map(asGoEntry), [...ignored], globalHeaderCount) };
  } catch (error) {
    if (!(error instanceof ClipctlError)) throw error;
    return error.details.reason === 'unsafe-number' ? 'unsafe-number' : 'error';
  }
}

/** Go's verdict: members that layers don't know are counted, global headers too, as our scanner does. */
export function goVerdict(listing: GoListing): Verdict {
  if (listing.error !== undefined) return 'error';
  const ignored = new Map<number, number>();
  let globalHeaderCount = 0;
  const entries: GoEntry[] = [];
  for (const entry of listing.entries) {
    const kind = kindOfMember(entry.typeFlag);
    if (entry.typeFlag === 0x67) globalHeaderCount++;
    else if (kind === undefined) ignored.set(entry.typeFlag, (ignored.get(entry.typeFlag) ?? 0) + 1);
    // Go reports the size field of links, devices and directories, but reads no payload for them.
    else entries.push(kind === 'file' ? entry : { ...entry, size: '0' });
  }
  return { listing: canonical(entries, [...ignored], globalHeaderCount) };
}

/** The short form that the golden file holds. */
export function recordOf(verdict: Verdict): string {
  return typeof verdict === 'string' ? verdict : createHash('sha256').update(verdict.listing).digest('hex').slice(0, 16);
}

/** True when our verdict is the recorded one. A refusal for an unsafe number is as good as any where Go refuses too. */
export function agrees(ours: Verdict, recorded: string | undefined): boolean {
  return recordOf(ours) === recorded || (ours === 'unsafe-number' && recorded === 'error');
}

/** True when Go lists a number that JavaScript can't hold exactly: what `unsafe-number` must stand on. */
export function hasUnsafeNumber(listing: GoListing): boolean {
  return listing.entries.some((entry) => {
    const size = kindOfMember(entry.typeFlag) === 'file' ? entry.size : '0';
    const numbers = [size, entry.mode, entry.uid, entry.gid, entry.deviceMajor, entry.deviceMinor, entry.storedBytes];
    const times = [entry.mtime[0], entry.atime[0], entry.ctime[0]];
    return [...numbers, ...times].some((text) => !Number.isSafeInteger(Number(text)));
  });
}

function canonical(entries: readonly GoEntry[], ignored: [number, number][], globalHeaderCount: number): string {
  const rows = entries.map((entry) => ({ ...entry, xattrs: Object.entries(entry.xattrs).sort(byKey) }));
  const sorted = rows.map((row) => Object.entries(row).sort(byKey));
  return JSON.stringify({ entries: sorted, ignored: ignored.sort(([a], [b]) => a - b), globalHeaderCount });
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function asGoEntry(entry: TarEntry): GoEntry {
  return {
    typeFlag: entry.typeFlag === 0 ? (entry.kind === 'directory' ? 0x35 : 0x30) : entry.typeFlag,
    name: hex(entry.name),
    linkName: hex(entry.linkName),
    size: String(entry.size),
    mode: String(entry.mode),
    uid: String(entry.uid),
    gid: String(entry.gid),
    userName: hex(entry.userName),
    groupName: hex(entry.groupName),
    mtime: goTime(entry.mtime),
    atime: goTime(entry.atime),
    ctime: goTime(entry.ctime),
    deviceMajor: String(entry.deviceMajor),
    deviceMinor: String(entry.deviceMinor),
    payloadOffset: String(entry.payloadOffset),
    storedBytes: String(entry.storedBytes),
    xattrs: Object.fromEntries([...entry.xattrs].map(([key, value]) => [hex(key), hex(value)])),
    holes: entry.sparse === undefined ? null : holesOf(entry.sparse, entry.size),
  };
}

function goTime(time: TarTime | undefined): [string, string] {
  return time === undefined ? [GO_ZERO_TIME, '0'] : [String(time.seconds), String(time.nanoseconds)];
}

/** Go keeps a sparse map as its holes; the last one reaches the end of the file and may be empty. */
function holesOf(regions: readonly SparseRegion[], size: number): [string, string][] {
  const holes: [string, string][] = [];
  let position = 0;
  for (const { offset, length } of regions) {
    if (length === 0) continue;
    if (offset > position) holes.push([String(position), String(offset - position)]);
    position = offset + length;
  }
  return [...holes, [String(position), String(size - position)]];
}

function hex(value: string): string {
  return Buffer.from(value, 'latin1').toString('hex');
}
