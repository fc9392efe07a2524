/** The members of a tar archive, found by reading headers and seeking over what lies between them. */
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { textOf, type ByteString } from '../../byte-string.ts';
import { ClipctlError } from '../../errors.ts';
import { TarScanner } from '../../tar/scanner.ts';
import type { TarEntry } from '../../tar/tar-entry.ts';

/** Where the bytes of a regular file lie in the archive. */
export interface MemberPlace {
  readonly offset: number;
  readonly sizeBytes: number;
}

type Member = MemberPlace | { readonly link: string } | 'other';

export interface ArchiveMembers {
  /**
   * @param path relative; links inside the archive are followed
   * @returns undefined when there is no such member, 'other' when it is no regular file
   */
  find(path: string): MemberPlace | 'other' | undefined;
}

const READ_BYTES = 64 * 1024;
/** An archive of images has a few members for each layer. */
const MAX_MEMBERS = 200_000;
const MAX_LINKS = 8;

/**
 * Lists an archive; the last member of a name counts.
 * @throws ClipctlError TAR_INVALID, LIMIT_HEADER, LIMIT_ENTRIES; what reading throws; the signal's reason
 */
export async function readArchiveMembers(handle: FileHandle, sizeBytes: number, signal: AbortSignal): Promise<ArchiveMembers> {
  const members = new Map<string, Member>();
  const scanner = new TarScanner({
    limits: { maxEntries: MAX_MEMBERS },
    onEntry: (entry) => members.set(cleanName(entry.name), memberOf(entry)),
  });
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let offset = 0; offset < sizeBytes && !scanner.isAtEnd;) {
    signal.throwIfAborted();
    const skippedBytes = Math.min(scanner.skippableBytes, sizeBytes - offset);
    scanner.skip(skippedBytes);
    offset += skippedBytes;
    const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, sizeBytes - offset), offset);
    if (bytesRead === 0) break;
    scanner.write(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
  scanner.finish();
  return { find: (path) => findMember(members, path) };
}

function findMember(members: ReadonlyMap<string, Member>, path: string): MemberPlace | 'other' | undefined {
  let name = cleanName(path);
  for (let hops = 0; hops <= MAX_LINKS; hops++) {
    const member = members.get(name);
    if (member === undefined || member === 'other' || !('link' in member)) return member;
    name = member.link;
  }
  throw new ClipctlError('LAYOUT_INVALID', `the archive's links for ${JSON.stringify(path.slice(0, 200))} go round in circles`);
}

function memberOf(entry: TarEntry): Member {
  const { kind, payloadOffset, storedBytes, size, linkName, name } = entry;
  if (kind === 'symlink') return { link: cleanName(posix.join(posix.dirname(cleanName(name)), textOf(linkName))) };
  if (kind === 'hardlink') return { link: cleanName(linkName) };
  return kind === 'file' && storedBytes === size ? { offset: payloadOffset, sizeBytes: size } : 'other';
}

/** `./a//b/` and `/a/b` are `a/b`; nothing leaves the archive. */
function cleanName(name: ByteString | string): string {
  return posix.join('/', name).replace(/\/+$/, '').slice(1);
}
