import type { ByteString } from '../../byte-string.ts';
import { ClipctlError } from '../../errors.ts';
import { ByteWriter } from '../byte-writer.ts';
import type { ClipExtension, ExtensionCheckpoint, ExtensionEntry, ExtensionLayer } from '../clip-file.ts';
import { BODY_MAGIC } from './footer.ts';
import { COMPRESSIONS, CONTENT_DIGEST_BYTES, ENTRY_PART, SPECIAL_KINDS } from './format.ts';
import { writeSignedVarint, writeVarint } from './varint.ts';

/**
 * The body of the extension section, version 1 (docs/clip-extension.md). Layers keep their order, entries are written
 * in the order of their paths and xattrs of their names: equal extensions give equal bytes.
 * @throws ClipctlError INTERNAL for checkpoints that don't ascend and numbers out of range
 */
export function encodeExtension({ layers, entries }: ClipExtension): ByteWriter {
  const out = new ByteWriter();
  out.view(BODY_MAGIC);
  writeVarint(out, layers.length);
  for (const layer of layers) writeLayer(out, layer);
  writeVarint(out, entries.length);
  for (const entry of [...entries].sort(byPath)) writeEntry(out, entry);
  return out;
}

function writeLayer(out: ByteWriter, layer: ExtensionLayer): void {
  writeText(out, layer.digest);
  writeText(out, layer.diffId);
  writeText(out, layer.mediaType);
  out.byte(COMPRESSIONS.indexOf(layer.compression));
  writeVarint(out, layer.compressedBytes);
  writeVarint(out, layer.uncompressedBytes);
  writeCheckpoints(out, layer.checkpoints);
  const { contentDigests } = layer;
  if (contentDigests.byteLength % CONTENT_DIGEST_BYTES !== 0) {
    throw new ClipctlError('INTERNAL', `${contentDigests.byteLength} bytes are no list of sha256 digests`);
  }
  writeVarint(out, contentDigests.byteLength / CONTENT_DIGEST_BYTES);
  out.view(contentDigests);
}

/** Offsets as differences to the checkpoint before: small numbers, and order by construction. */
function writeCheckpoints(out: ByteWriter, checkpoints: readonly ExtensionCheckpoint[]): void {
  writeVarint(out, checkpoints.length);
  let [compressedOffset, uncompressedOffset] = [0, 0];
  for (const checkpoint of checkpoints) {
    writeVarint(out, checkpoint.compressedOffset - compressedOffset);
    writeVarint(out, checkpoint.uncompressedOffset - uncompressedOffset);
    out.byte(checkBit(checkpoint.bit));
    writeVarint(out, checkpoint.window.byteLength);
    out.view(checkpoint.window);
    ({ compressedOffset, uncompressedOffset } = checkpoint);
  }
}

function checkBit(bit: number): number {
  if (Number.isInteger(bit) && bit >= 0 && bit <= 7) return bit;
  throw new ClipctlError('INTERNAL', `a checkpoint at bit ${bit}`);
}

function writeEntry(out: ByteWriter, { path, special, xattrs, hardLinkTo, sparse }: ExtensionEntry): void {
  writeByteString(out, path);
  out.byte(
    (special ? ENTRY_PART.special : 0) |
      (xattrs.size > 0 ? ENTRY_PART.xattrs : 0) |
      (hardLinkTo === undefined ? 0 : ENTRY_PART.hardLinkTo) |
      (sparse ? ENTRY_PART.sparse : 0),
  );
  if (special) writeSpecial(out, special);
  if (xattrs.size > 0) writeXattrs(out, xattrs);
  if (hardLinkTo !== undefined) writeByteString(out, hardLinkTo);
  if (sparse) writeSparse(out, sparse);
}

function writeSpecial(out: ByteWriter, special: NonNullable<ExtensionEntry['special']>): void {
  out.byte(SPECIAL_KINDS.indexOf(special.kind));
  writeVarint(out, special.mode);
  writeVarint(out, special.uid);
  writeVarint(out, special.gid);
  writeSignedVarint(out, special.mtimeSeconds);
  writeVarint(out, special.mtimeNanoseconds);
  writeSignedVarint(out, BigInt(special.deviceMajor));
  writeSignedVarint(out, BigInt(special.deviceMinor));
}

function writeXattrs(out: ByteWriter, xattrs: ExtensionEntry['xattrs']): void {
  writeVarint(out, xattrs.size);
  for (const [name, value] of [...xattrs].sort(([left], [right]) => compare(left, right))) {
    writeByteString(out, name);
    writeByteString(out, value);
  }
}

function writeSparse(out: ByteWriter, { regions, remote }: NonNullable<ExtensionEntry['sparse']>): void {
  writeText(out, remote.layerDigest);
  writeVarint(out, remote.uncompressedOffset);
  writeVarint(out, remote.length);
  writeVarint(out, regions.length);
  for (const region of regions) {
    writeVarint(out, region.offset);
    writeVarint(out, region.length);
  }
}

function writeText(out: ByteWriter, value: string): void {
  const byteLength = Buffer.byteLength(value, 'utf8');
  writeVarint(out, byteLength);
  out.utf8(value, byteLength);
}

function writeByteString(out: ByteWriter, value: ByteString): void {
  writeVarint(out, value.length);
  out.latin1(value);
}

function byPath(left: ExtensionEntry, right: ExtensionEntry): number {
  return compare(left.path, right.path);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
