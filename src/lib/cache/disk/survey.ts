/** Everything that stands in a cache directory: our layers with their records, and what is not ours. Reads no content. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseContentHash, type ContentHash } from '../../oci/digest.ts';
import { identityOf, isSameIdentity } from '../regular-file.ts';
import { ingestDirectory } from './cache-layout.ts';
import { diskBytesOf, usageOfTree } from './disk-usage.ts';
import { isNamedTwice } from './ingest/settle-commit.ts';
import { layersUnderWay, type LayerUnderWay } from './ingest/transfers.ts';
import { isReadable, layerStats } from './layer-file.ts';
import { readLayerRecord, recordedLayers, type DigestSeen } from './layer-record.ts';
import { ownPath } from './own-names.ts';
import { namesIn } from './state-file.ts';

export interface SurveyedLayer {
  readonly hash: ContentHash;
  readonly inode: number;
  readonly sizeBytes: number;
  /** In disk blocks. */
  readonly diskBytes: number;
  /**
   * `changed`: it has a record, and is not the file of the record; or none, and a transfer of ours has brought it. `foreign`: no
   * record, nobody of ours put it there.
   */
  readonly state: 'verified' | 'changed' | 'foreign';
  /** On the use clock; 0 where no record tells. */
  readonly lastUseMs: number;
  readonly digestsSeen: readonly DigestSeen[];
  /** Of the file of the record; `undefined` when no record tells, or the file is known to be wrong. */
  readonly recordedBytes: number | undefined;
  /** Its owner may read it. */
  readonly isReadable: boolean;
}

export interface CacheSurvey {
  /** Regular files named like content. */
  readonly layers: readonly SurveyedLayer[];
  /** Have a record and no file. */
  readonly missing: readonly ContentHash[];
  /** Have a name like content and are no regular file. */
  readonly odd: readonly ContentHash[];
  /** Layers with a record, and our own state: what `--max-cache-size` is held against. */
  readonly ownBytes: number;
  /** Transfers under way or left by a process that was killed. */
  readonly ingestBytes: number;
  /** Records, leases, layer indexes. */
  readonly stateBytes: number;
  /** Whatever else lies there: left alone. */
  readonly foreign: { readonly files: number; readonly diskBytes: number };
  /** All of it, as `du` says. */
  readonly totalBytes: number;
}

const OURS = new Set(['.clipctl', 'CACHEDIR.TAG']);

/** A missing directory is empty. @throws ClipctlError STORAGE_*; the signal's reason */
export async function surveyCache(cacheDir: string, { signal }: { readonly signal: AbortSignal }): Promise<CacheSurvey> {
  const names = await namesIn(cacheDir);
  const underWay = await layersUnderWay(cacheDir);
  const recorded = new Set(await recordedLayers(cacheDir));
  const layers: SurveyedLayer[] = [];
  const odd: ContentHash[] = [];
  const foreign = { files: 0, diskBytes: 0 };
  for (const name of names) {
    signal.throwIfAborted();
    if (OURS.has(name)) continue;
    const found = isHash(name)
      ? await surveyLayer(cacheDir, parseContentHash(name, cacheDir), { recorded, underWay })
      : 'foreign';
    if (found === undefined) continue;
    if (found === 'odd') odd.push(parseContentHash(name, cacheDir));
    if (typeof found === 'object') layers.push(found);
    if (typeof found === 'object' && found.state !== 'foreign') continue;
    const usage = await usageOfTree(join(cacheDir, name));
    foreign.files += usage.files;
    foreign.diskBytes += usage.diskBytes;
  }
  const present = new Set(names);
  const absent = [...recorded].filter((hash) => !present.has(hash)).sort();
  const missing = await withoutUnderWay(cacheDir, absent, underWay);
  return { layers, missing, odd, foreign, ...(await sumUp(cacheDir, layers, foreign.diskBytes)) };
}

/** Of the layers that are ours. */
export function ownInodes(layers: readonly SurveyedLayer[]): Set<number> {
  return new Set(layers.flatMap(({ inode, state }) => (state === 'foreign' ? [] : [inode])));
}

async function sumUp(
  cacheDir: string,
  layers: readonly SurveyedLayer[],
  foreignBytes: number,
): Promise<Pick<CacheSurvey, 'ownBytes' | 'ingestBytes' | 'stateBytes' | 'totalBytes'>> {
  // One that has its name already is a layer; those were looked at before.
  const counted = new Set(layers.map(({ inode }) => inode));
  const ingest = await usageOfTree(ingestDirectory(cacheDir), { counted });
  // Not as a difference: transfers grow while they are looked at.
  const own = await usageOfTree(join(cacheDir, '.clipctl'), { except: ownPath(cacheDir, 'ingest') });
  const tag = await usageOfTree(join(cacheDir, 'CACHEDIR.TAG'));
  const top = await lstat(cacheDir).catch(() => undefined);
  const layerBytes = layers.reduce((sum, layer) => sum + (layer.state === 'foreign' ? 0 : layer.diskBytes), 0);
  const ownBytes = layerBytes + ingest.diskBytes + own.diskBytes + tag.diskBytes;
  return {
    ownBytes,
    ingestBytes: ingest.diskBytes,
    stateBytes: own.diskBytes + tag.diskBytes,
    totalBytes: ownBytes + foreignBytes + (top === undefined ? 0 : diskBytesOf(top)),
  };
}

/**
 * A commit writes the record first: a layer that is about to get its name, or would have but for a kill, is not missing. Nor is one
 * that has got its name since the names were read.
 */
async function withoutUnderWay(
  cacheDir: string,
  hashes: readonly ContentHash[],
  underWay: readonly LayerUnderWay[],
): Promise<ContentHash[]> {
  const inodes = new Set(underWay.map(({ stats }) => stats.ino));
  const isMissing = async (hash: ContentHash): Promise<boolean> => {
    const record = await readLayerRecord(cacheDir, hash);
    return !inodes.has(record?.identity.inode ?? 0) && (await layerStats(join(cacheDir, hash))) === undefined;
  };
  const missing = await Promise.all(hashes.map(isMissing));
  return hashes.filter((_, at) => missing[at] === true);
}

interface Known {
  readonly recorded: ReadonlySet<ContentHash>;
  readonly underWay: readonly LayerUnderWay[];
}

async function surveyLayer(
  cacheDir: string,
  hash: ContentHash,
  { recorded, underWay }: Known,
): Promise<SurveyedLayer | 'odd' | undefined> {
  const path = join(cacheDir, hash);
  const stats = await layerStats(path);
  if (stats === undefined) return undefined;
  if (!stats.isFile()) return 'odd';
  const isRecorded = recorded.has(hash) || underWay.some((layer) => isNamedTwice(layer.stats, stats));
  const record = isRecorded ? await readLayerRecord(cacheDir, hash) : undefined;
  const isOurs = record !== undefined && isSameIdentity(record.identity, identityOf(stats)) && isReadable(stats);
  return {
    hash,
    inode: stats.ino,
    sizeBytes: stats.size,
    diskBytes: diskBytesOf(stats),
    state: isOurs ? 'verified' : isRecorded ? 'changed' : 'foreign',
    lastUseMs: record?.lastUseMs ?? 0,
    digestsSeen: record?.digestsSeen ?? [],
    recordedBytes: record === undefined || record.identity.inode === 0 ? undefined : record.identity.sizeBytes,
    isReadable: isReadable(stats),
  };
}

function isHash(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
