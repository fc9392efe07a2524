/** Which images were warmed, and with which layers: so that `du` can say what the space is for and `repair` what to fetch. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isDigest, type DiffId, type Digest } from '../../oci/digest.ts';
import { lookAtFile } from '../regular-file.ts';
import { imagesDirectory } from './cache-layout.ts';
import {
  readStateRecords,
  recordPathsIn,
  removeStateFile,
  unlessUnwritable,
  writeStateFile,
  type StateFile,
} from './state-file.ts';

const RECORD_VERSION = 1;
const MAX_RECORD_BYTES = 1024 * 1024;
/** Who warms more images than this loses the memory of those that were not used for longest; their layers stay. */
const MAX_IMAGE_RECORDS = 4096;
/** So many are left then, so that not every new image has to look at the times of all. */
const KEPT_IMAGE_RECORDS = MAX_IMAGE_RECORDS - 64;
const MAX_LAYERS = 4096;

export interface ImageLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
}

export interface ImageRecord {
  /** As it can be named again from anywhere: paths are absolute. */
  readonly image: string;
  /** `os/architecture[/variant]` */
  readonly platform: string;
  readonly layers: readonly ImageLayer[];
}

export interface StoredImageRecord extends ImageRecord {
  /** On the use clock. */
  readonly lastUseMs: number;
}

function imageRecordPath(cacheDir: string, { image, platform }: Pick<ImageRecord, 'image' | 'platform'>): string {
  return join(imagesDirectory(cacheDir), `${createHash('sha256').update(`${image}\0${platform}`).digest('hex')}.json`);
}

/** Remembers an image; where the cache can't be written, it is not remembered. @throws ClipctlError STORAGE_FULL, STORAGE_ERROR */
export async function writeImageRecord(cacheDir: string, record: ImageRecord, usedAtMs: number): Promise<void> {
  const { image, platform, layers } = record;
  const document = { version: RECORD_VERSION, image, platform, layers: layers.map(({ digest, diffId }) => ({ digest, diffId })) };
  await unlessUnwritable(async () => {
    const pathNow = (): string => imageRecordPath(cacheDir, record);
    const isNew = (await lookAtFile(pathNow())) === undefined;
    await writeStateFile(cacheDir, pathNow, { document, modifiedMs: usedAtMs });
    if (isNew) await forgetOldest(cacheDir, pathNow());
  });
}

/** Beyond the limit those go that were not used for longest; `newest` stays. @throws ClipctlError STORAGE_* */
async function forgetOldest(cacheDir: string, newest: string): Promise<void> {
  const paths = await recordPathsIn(imagesDirectory(cacheDir));
  if (paths.length <= MAX_IMAGE_RECORDS) return;
  const found = await Promise.all(paths.map(async (path) => ({ path, file: await lookAtFile(path) })));
  const byAge = found
    // What is no file is not ours to remove.
    .flatMap(({ path, file }) =>
      path === newest || file === undefined || file === 'other' ? [] : [{ path, usedMs: file.mtimeMs }],
    )
    .sort((one, other) => one.usedMs - other.usedMs);
  for (const { path } of byAge.slice(0, paths.length - KEPT_IMAGE_RECORDS)) await removeStateFile(path);
}

/** All images, the last used first. @throws ClipctlError STORAGE_* */
export async function readImageRecords(cacheDir: string): Promise<StoredImageRecord[]> {
  const { records } = await readStateRecords(imagesDirectory(cacheDir), FORM);
  return records.sort((one, other) => other.lastUseMs - one.lastUseMs || (one.image < other.image ? -1 : 1));
}

/** Paths of records that say nothing any more. @throws ClipctlError STORAGE_* */
export async function brokenImageRecords(cacheDir: string): Promise<readonly string[]> {
  return (await readStateRecords(imagesDirectory(cacheDir), FORM)).broken;
}

const FORM = { maxBytes: MAX_RECORD_BYTES, parse: parseImageRecord };

function parseImageRecord({ document, modifiedMs }: StateFile): StoredImageRecord | undefined {
  const { version, image, platform, layers } = document;
  if (version !== RECORD_VERSION || typeof image !== 'string' || typeof platform !== 'string' || !Array.isArray(layers))
    return undefined;
  return { image, platform, layers: layers.slice(0, MAX_LAYERS).flatMap(layerOf), lastUseMs: modifiedMs };
}

function layerOf(value: unknown): ImageLayer[] {
  if (typeof value !== 'object' || value === null) return [];
  const { digest, diffId } = value as Partial<Record<'digest' | 'diffId', unknown>>;
  if (typeof digest !== 'string' || typeof diffId !== 'string' || !isDigest(digest) || !isDigest(diffId)) return [];
  return [{ digest, diffId }];
}

/** @throws ClipctlError STORAGE_* */
export async function removeImageRecord(cacheDir: string, image: Pick<ImageRecord, 'image' | 'platform'>): Promise<void> {
  await removeStateFile(imageRecordPath(cacheDir, image));
}
