/**
 * The record of a layer: which file was verified, and under which compressed digests it was seen. A record is a hint
 * that saves hashing, never a proof of its own: without one, or with a torn one, the layer is merely unverified. That is
 * why it needs no fsync.
 * Its own mtime is the layer's last use, on the use clock: a touch can't undo what another process wrote into it.
 */
import { lutimes } from 'node:fs/promises';
import { storageError } from '../../errors.ts';
import { isDigest, parseContentHash, type ContentHash, type Digest } from '../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import { lookAtFile, type FileIdentity } from '../regular-file.ts';
import { layersDirectory, recordPath } from './cache-layout.ts';
import { namesIn, readStateFile, removeStateFile, unlessUnwritable, writeStateFile } from './state-file.ts';

const RECORD_VERSION = 1;
const MAX_RECORD_BYTES = 64 * 1024;
/** One layer has few compressed forms; who makes more of them loses the oldest. */
const MAX_DIGESTS = 64;

/** A compressed form of the layer, as a registry has it. */
export interface DigestSeen {
  readonly digest: Digest;
  readonly compressedBytes: number;
}

/** No file is this one. */
export const WRONG: FileIdentity = { sizeBytes: 0, inode: 0, mtimeMs: 0 };

export interface LayerRecord {
  readonly identity: FileIdentity;
  readonly digestsSeen: readonly DigestSeen[];
  /** When the file was committed or adopted; milliseconds since 1970. */
  readonly committedAtMs: number;
}

export interface StoredLayerRecord extends LayerRecord {
  /** On the use clock. */
  readonly lastUseMs: number;
}

/** What stands in the file. */
interface RecordDocument {
  readonly version: number;
  readonly sizeBytes: number;
  readonly inode: number;
  readonly mtimeMs: number;
  readonly digests: Readonly<Record<string, number>>;
  readonly committedAt: string;
}

/**
 * `undefined` = no record, or none that can be read.
 * @throws ClipctlError STORAGE_*
 */
export async function readLayerRecord(cacheDir: string, hash: ContentHash): Promise<StoredLayerRecord | undefined> {
  return readRecordAt(recordPath(cacheDir, hash));
}

/** One that has left its name. As {@link readLayerRecord}. */
export async function readRecordAt(path: string): Promise<StoredLayerRecord | undefined> {
  const file = await readStateFile(path, MAX_RECORD_BYTES);
  const record = file === undefined ? undefined : parseRecord(file.document);
  return file === undefined || record === undefined ? undefined : { ...record, lastUseMs: file.modifiedMs };
}

/** Layers that have one, of whatever content. @throws ClipctlError STORAGE_* */
export async function recordedLayers(cacheDir: string): Promise<ContentHash[]> {
  const names = await namesIn(layersDirectory(cacheDir));
  return names.flatMap((name) => {
    const hash = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
    return hash === undefined ? [] : [parseContentHash(hash, name)];
  });
}

/** True also of a record that can't be read: what has its name was put there by us. @throws ClipctlError STORAGE_* */
export async function hasLayerRecord(cacheDir: string, hash: ContentHash): Promise<boolean> {
  return (await lookAtFile(recordPath(cacheDir, hash))) !== undefined;
}

function parseRecord(document: Partial<Record<keyof RecordDocument, unknown>>): LayerRecord | undefined {
  const { version, sizeBytes, inode, mtimeMs, digests, committedAt } = document;
  if (version !== RECORD_VERSION) return undefined;
  if (!isCount(sizeBytes) || typeof inode !== 'number' || typeof mtimeMs !== 'number') return undefined;
  const committedAtMs = Date.parse(String(committedAt));
  return {
    identity: { sizeBytes, inode, mtimeMs },
    digestsSeen: parseDigests(digests),
    committedAtMs: Number.isNaN(committedAtMs) ? 0 : committedAtMs,
  };
}

function parseDigests(digests: unknown): DigestSeen[] {
  if (typeof digests !== 'object' || digests === null) return [];
  const seen = Object.entries(digests).flatMap(([digest, compressedBytes]: [string, unknown]) =>
    isDigest(digest) && isCount(compressedBytes) ? [{ digest, compressedBytes }] : [],
  );
  return seen.slice(-MAX_DIGESTS);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Adds a compressed form; the newest stands last. */
export function withDigest(seen: readonly DigestSeen[], added: DigestSeen | undefined): DigestSeen[] {
  if (added === undefined) return [...seen];
  return [...seen.filter(({ digest }) => digest !== added.digest), added].slice(-MAX_DIGESTS);
}

/**
 * Replaces the record in one step.
 * @throws ClipctlError STORAGE_*
 */
export async function writeLayerRecord(cacheDir: string, hash: ContentHash, record: StoredLayerRecord): Promise<void> {
  const document: RecordDocument = {
    version: RECORD_VERSION,
    ...record.identity,
    digests: Object.fromEntries(record.digestsSeen.map(({ digest, compressedBytes }) => [digest, compressedBytes])),
    committedAt: new Date(record.committedAtMs).toISOString(),
  };
  await writeStateFile(cacheDir, () => recordPath(cacheDir, hash), { document, modifiedMs: record.lastUseMs });
}

/** @throws ClipctlError STORAGE_* */
export async function removeLayerRecord(cacheDir: string, hash: ContentHash): Promise<void> {
  await removeStateFile(recordPath(cacheDir, hash));
}

/** Notes a use in a record that was read. A cache that can't be written still serves: then the use is not noted. @throws ClipctlError STORAGE_ERROR */
export async function touchLayerRecord(cacheDir: string, hash: ContentHash, usedAtMs: number): Promise<void> {
  const path = recordPath(cacheDir, hash);
  try {
    await lutimes(path, usedAtMs / 1000, usedAtMs / 1000);
  } catch (error) {
    if (isOfAnother(error)) await renewRecord(cacheDir, hash, usedAtMs);
    else if (errnoOf(error) !== 'EROFS' && errnoOf(error) !== 'ENOENT') throw storageError(error, path, 'touch');
  }
}

/** Only its owner may set the times of a file: in a group's cache whoever uses the layer makes the record anew. */
async function renewRecord(cacheDir: string, hash: ContentHash, lastUseMs: number): Promise<void> {
  const record = await readLayerRecord(cacheDir, hash);
  if (record !== undefined) await unlessUnwritable(() => writeLayerRecord(cacheDir, hash, { ...record, lastUseMs }));
}

/** NFS says EACCES. */
function isOfAnother(error: unknown): boolean {
  return errnoOf(error) === 'EPERM' || errnoOf(error) === 'EACCES';
}
