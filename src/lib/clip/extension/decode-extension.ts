import type { ByteString } from '../../byte-string.ts';
import { ByteCursor } from '../byte-cursor.ts';
import type { ClipExtension, ClipRemote, ExtensionCheckpoint, ExtensionEntry, ExtensionLayer } from '../clip-file.ts';
import { BODY_MAGIC } from './footer.ts';
import { ALL_ENTRY_PARTS, COMPRESSIONS, CONTENT_DIGEST_BYTES, ENTRY_PART, MIN_BYTES, SPECIAL_KINDS } from './format.ts';
import { readCount, readSignedVarint, readVarint } from './varint.ts';

/**
 * Reads a body of version 1. Windows and digests are views of `body`, not copies.
 * @throws ClipctlError CLIP_INVALID
 */
export function decodeExtension(body: Uint8Array, baseOffset: number): ClipExtension {
  const cursor = new ByteCursor(body, 'extension', baseOffset);
  const magic = cursor.takeView(BODY_MAGIC.byteLength);
  if (!Buffer.from(BODY_MAGIC).equals(magic)) cursor.fail('it does not start as one');
  const layers = readList(cursor, { where: 'extension.layers', minBytes: MIN_BYTES.layer, read: readLayer });
  const entries = readList(cursor, { where: 'extension.entries', minBytes: MIN_BYTES.entry, read: readEntry });
  if (cursor.remaining > 0) cursor.fail(`${cursor.remaining} bytes are left over`);
  return { layers, entries };
}

interface ListShape<T> {
  readonly where: string;
  readonly minBytes: number;
  readonly read: (cursor: ByteCursor) => T;
}

function readList<T>(cursor: ByteCursor, { where, minBytes, read }: ListShape<T>): T[] {
  cursor.where = where;
  const values: T[] = [];
  for (let count = readCount(cursor, minBytes); count > 0; count--) values.push(read(cursor));
  return values;
}

function readLayer(cursor: ByteCursor): ExtensionLayer {
  return {
    digest: readText(cursor),
    diffId: readText(cursor),
    mediaType: readText(cursor),
    compression: readChoice(cursor, COMPRESSIONS),
    compressedBytes: readVarint(cursor),
    uncompressedBytes: readVarint(cursor),
    checkpoints: readCheckpoints(cursor),
    contentDigests: cursor.takeView(readCount(cursor, CONTENT_DIGEST_BYTES) * CONTENT_DIGEST_BYTES),
  };
}

function readCheckpoints(cursor: ByteCursor): ExtensionCheckpoint[] {
  const checkpoints: ExtensionCheckpoint[] = [];
  let [compressedOffset, uncompressedOffset] = [0, 0];
  for (let count = readCount(cursor, MIN_BYTES.checkpoint); count > 0; count--) {
    compressedOffset = addOffset(cursor, compressedOffset);
    uncompressedOffset = addOffset(cursor, uncompressedOffset);
    const bit = cursor.takeByte();
    if (bit > 7) cursor.fail(`a checkpoint at bit ${bit}`);
    const window = cursor.takeView(readVarint(cursor));
    checkpoints.push({ compressedOffset, bit, uncompressedOffset, window });
  }
  return checkpoints;
}

function addOffset(cursor: ByteCursor, offset: number): number {
  const sum = offset + readVarint(cursor);
  return Number.isSafeInteger(sum) ? sum : cursor.fail('an offset above 2^53');
}

function readEntry(cursor: ByteCursor): ExtensionEntry {
  const path = readByteString(cursor);
  const parts = cursor.takeByte();
  if (parts > ALL_ENTRY_PARTS) cursor.fail(`parts ${parts} of an entry`);
  const special = parts & ENTRY_PART.special ? readSpecial(cursor) : undefined;
  const xattrs = parts & ENTRY_PART.xattrs ? readXattrs(cursor) : new Map<ByteString, ByteString>();
  const hardLinkTo = parts & ENTRY_PART.hardLinkTo ? readByteString(cursor) : undefined;
  const sparse = parts & ENTRY_PART.sparse ? readSparse(cursor) : undefined;
  return {
    path,
    ...(special && { special }),
    xattrs,
    ...(hardLinkTo !== undefined && { hardLinkTo }),
    ...(sparse && { sparse }),
  };
}

function readSpecial(cursor: ByteCursor): NonNullable<ExtensionEntry['special']> {
  return {
    kind: readChoice(cursor, SPECIAL_KINDS),
    mode: readVarint(cursor),
    uid: readVarint(cursor),
    gid: readVarint(cursor),
    mtimeSeconds: readSignedVarint(cursor),
    mtimeNanoseconds: readVarint(cursor),
    deviceMajor: readSignedNumber(cursor),
    deviceMinor: readSignedNumber(cursor),
  };
}

function readSignedNumber(cursor: ByteCursor): number {
  const value = Number(readSignedVarint(cursor));
  return Number.isSafeInteger(value) ? value : cursor.fail('number beyond ±2^53');
}

function readXattrs(cursor: ByteCursor): Map<ByteString, ByteString> {
  const xattrs = new Map<ByteString, ByteString>();
  for (let count = readCount(cursor, MIN_BYTES.xattr); count > 0; count--) {
    const name = readByteString(cursor);
    xattrs.set(name, readByteString(cursor));
  }
  return xattrs;
}

function readSparse(cursor: ByteCursor): NonNullable<ExtensionEntry['sparse']> {
  const remote: ClipRemote = {
    layerDigest: cursor.takeRepeatedText(readVarint(cursor)),
    uncompressedOffset: readVarint(cursor),
    length: readVarint(cursor),
  };
  const regions = [];
  for (let count = readCount(cursor, MIN_BYTES.region); count > 0; count--) {
    regions.push({ offset: readVarint(cursor), length: readVarint(cursor) });
  }
  return { regions, remote };
}

function readChoice<T>(cursor: ByteCursor, choices: readonly T[]): T {
  const number = cursor.takeByte();
  return choices[number] ?? cursor.fail(`choice ${number} of ${choices.length}`);
}

function readText(cursor: ByteCursor): string {
  return cursor.takeText(readVarint(cursor));
}

function readByteString(cursor: ByteCursor): ByteString {
  return cursor.takeByteString(readVarint(cursor));
}
