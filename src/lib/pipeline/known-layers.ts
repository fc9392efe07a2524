/**
 * What one pass over a layer found, kept by its compressed digest: a base layer is scanned once for all images that are
 * indexed after it. A file that is of another version, cut, damaged or made up is a miss: in a cache of a group others
 * may write it too.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { CachePlace } from '../cache/disk/digest-files.ts';
import { readIndexFile, writeIndexFile } from '../cache/disk/index-files.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { openEntries } from '../tar/packed-entries.ts';
import { readKnownFacts, writeKnownFacts, type KnownFacts } from './known-layer-format.ts';
import type { LayerFacts } from './layer-job.ts';

/** Changes with every change of what is kept, or of how it is found. */
const VERSION = 'clipctl layer index 3\n';
const HEAD_BYTES = VERSION.length + 32;
/** Unpacked: some two million entries. A layer of more is read again. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

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
export async function keepKnownLayer(place: CachePlace, facts: LayerFacts, checkpointIntervalBytes: number): Promise<void> {
  if (facts.verifiedBy === 'diffId') return;
  const plain = writeKnownFacts(facts, checkpointIntervalBytes);
  if (plain.length > MAX_UNPACKED_BYTES) return;
  const packed = await promisify(gzip)(plain, { level: 1 });
  const bytes = Buffer.concat([Buffer.from(VERSION), createHash('sha256').update(packed).digest(), packed]);
  await writeIndexFile(place, facts.digest, { bytes });
}

async function unpack(bytes: Buffer): Promise<KnownFacts | undefined> {
  const packed = bytes.subarray(HEAD_BYTES);
  if (bytes.length < HEAD_BYTES || bytes.toString('latin1', 0, VERSION.length) !== VERSION) return undefined;
  if (!createHash('sha256').update(packed).digest().equals(bytes.subarray(VERSION.length, HEAD_BYTES))) return undefined;
  const plain = await promisify(gunzip)(packed, { maxOutputLength: MAX_UNPACKED_BYTES }).catch(() => undefined);
  return plain === undefined ? undefined : readKnownFacts(plain);
}
