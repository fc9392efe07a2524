/**
 * What one pass over a layer found, kept by its compressed digest: a base layer is scanned once for all images that are
 * indexed after it. A file that is of another version, cut or damaged is a miss.
 */
import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { readIndexFile, writeIndexFile } from '../cache/disk/index-files.ts';
import { errorCodeOf } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { EntryPacker, openEntries, type PackedEntries } from '../tar/packed-entries.ts';
import type { LayerFacts } from './layer-job.ts';

/** Changes with every change of what is kept, or of how it is found. */
const VERSION = 'clipctl layer index 2\n';
const HEAD_BYTES = VERSION.length + 32;
/** Unpacked; what a layer of the most entries that are allowed takes. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024;

interface KeptFacts extends Omit<LayerFacts, 'entries'> {
  readonly checkpointIntervalBytes: number;
  readonly entries: PackedEntries;
}

export interface KnownLayerRequest {
  readonly layer: LayerDescriptor;
  /** Checkpoints that are further or less far apart are of no use. */
  readonly checkpointIntervalBytes: number;
}

/** `undefined` = the layer has to be read. @throws ClipctlError STORAGE_* */
export async function readKnownLayer(
  cacheDir: string,
  { layer, checkpointIntervalBytes }: KnownLayerRequest,
): Promise<LayerFacts | undefined> {
  const bytes = await readIndexFile(cacheDir, layer.digest);
  const kept = bytes === undefined ? undefined : await unpack(bytes);
  if (kept === undefined || kept.checkpointIntervalBytes !== checkpointIntervalBytes) return undefined;
  const { entries, checkpointIntervalBytes: _, ...facts } = kept;
  if (facts.digest !== layer.digest || facts.diffId !== layer.diffId || facts.compressedBytes !== layer.sizeBytes)
    return undefined;
  return { ...facts, entries: openEntries(entries) };
}

/**
 * Keeps nothing of a layer whose digest was not seen to hold: what is found under it would be believed for any image.
 * @throws ClipctlError STORAGE_ERROR
 */
export async function keepKnownLayer(cacheDir: string, facts: LayerFacts, checkpointIntervalBytes: number): Promise<void> {
  if (facts.verifiedBy === 'diffId') return;
  const packer = new EntryPacker();
  for (const entry of facts.entries) packer.add(entry);
  const kept: KeptFacts = { ...facts, resumedBytes: 0, entries: packer.finish(), checkpointIntervalBytes };
  const packed = await promisify(gzip)(serialize(kept), { level: 1 });
  const bytes = Buffer.concat([Buffer.from(VERSION), createHash('sha256').update(packed).digest(), packed]);
  await writeIndexFile(cacheDir, facts.digest, { bytes });
}

async function unpack(bytes: Buffer): Promise<KeptFacts | undefined> {
  const packed = bytes.subarray(HEAD_BYTES);
  if (bytes.length < HEAD_BYTES || bytes.toString('latin1', 0, VERSION.length) !== VERSION) return undefined;
  if (!createHash('sha256').update(packed).digest().equals(bytes.subarray(VERSION.length, HEAD_BYTES))) return undefined;
  try {
    const kept = deserialize(await promisify(gunzip)(packed, { maxOutputLength: MAX_UNPACKED_BYTES })) as KeptFacts;
    return isWhole(kept) ? kept : undefined;
  } catch (error) {
    // What this version of Node can't read is of another; what is no error of reading is a bug.
    if (errorCodeOf(error) !== 'INTERNAL') throw error;
    return undefined;
  }
}

/** Reads every entry once: one that can't be read shall be a miss, and not an error while an index is composed. */
function isWhole({ entries, checkpoints, zstdFrames, contentDigests }: KeptFacts): boolean {
  let length = 0;
  for (const { payloadOffset, storedBytes } of openEntries(entries)) {
    if (!Number.isSafeInteger(payloadOffset + storedBytes)) return false;
    length += 1;
  }
  return length === entries.length && Array.isArray(checkpoints) && Array.isArray(zstdFrames) && contentDigests.length % 32 === 0;
}
