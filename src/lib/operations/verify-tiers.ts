/**
 * `--verify`: reads back what was warmed or pushed. Full looks at every byte; quick at ends and a sample, where an index or a
 * verified copy on disk says what should stand there, else at every byte too.
 */
import { createHash, randomInt } from 'node:crypto';
import type { CacheCallOptions, ContentCache, ContentRange } from '../cache/content-cache.ts';
import { isWholeMap, MAP_SPAN_BYTES, mapOfSpans, spanAt, type ContentMap } from '../cache/content-map.ts';
import { readSpan } from '../cache/tiered-range.ts';
import { ClipctlError, isAbort } from '../errors.ts';
import { contentHashOf, type ContentHash, type DiffId } from '../oci/digest.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import type { OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';
import { reasonOf } from './remote-tally.ts';
import type { Verification, VerifiedTier } from './results.ts';

export type VerifyMode = 'none' | 'quick' | 'full';

export interface LayerToVerify {
  readonly diffId: DiffId;
  /** Decompressed. */
  readonly sizeBytes: number;
  /** Only the remote says that it has this size. */
  readonly isClaimed?: boolean;
  /** From an index. */
  readonly map: ContentMap | undefined;
}

export interface TierToVerify {
  /** `disk`, or the URL of a remote. */
  readonly name: string;
  readonly cache: ContentCache;
  readonly layers: readonly LayerToVerify[];
  /** Reads a whole layer itself, faster than through a stream. */
  readonly verifyWhole?: (hash: ContentHash) => Promise<'verified' | 'bad' | 'missing'>;
}

/** What one read-back has in memory besides a span: a stream's read-ahead. */
const READ_BYTES = 512 * 1024;
/** Each may hold a span of 4 MiB while its driver waits for memory: half of the budget stays for that. */
const MAX_AT_ONCE = 4;

/** What an index knows of a layer's content. */
export function contentMapOf(image: OpenedImage, digest: string): ContentMap | undefined {
  return image.clip?.file.extension?.layers.find((layer) => layer.digest === digest);
}

/** Never fails for what a tier answers or fails to answer: that is the result. @throws the signal's reason */
export async function verifyTiers(
  session: Session,
  mode: 'quick' | 'full',
  tiers: readonly TierToVerify[],
): Promise<Verification> {
  const verified: VerifiedTier[] = [];
  for (const tier of tiers) verified.push(await verifyTier(session, mode, tier));
  return { mode, tiers: verified };
}

async function verifyTier(session: Session, mode: 'quick' | 'full', tier: TierToVerify): Promise<VerifiedTier> {
  const { name, layers } = tier;
  const settled = await runLimited(layers, Math.min(session.options.jobs, MAX_AT_ONCE), (layer) =>
    verifyLayer(session, tier, { layer, mode }),
  );
  const wrong: { diffId: DiffId; reason: string }[] = [];
  let checkedBytes = 0;
  let hitBytes = 0;
  layers.forEach(({ diffId, sizeBytes }, at) => {
    const outcome = settled[at];
    if (outcome?.status === 'fulfilled') {
      checkedBytes += outcome.value;
      hitBytes += sizeBytes;
    } else wrong.push({ diffId, reason: reasonOf(outcome?.reason) });
  });
  const aborted = settled.find((result) => result.status === 'rejected' && isAbort(result.reason));
  if (aborted?.status === 'rejected') throw aborted.reason as Error;
  const bytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const hits = layers.length - wrong.length;
  return {
    tier: name,
    layers: layers.length,
    hits,
    bytes,
    hitBytes,
    hitRatio: bytes === 0 ? 1 : hitBytes / bytes,
    checkedBytes,
    wrong,
  };
}

interface LayerCheck {
  readonly layer: LayerToVerify;
  readonly mode: 'quick' | 'full';
}

/** Resolves to the bytes compared. @throws why the layer is not right there */
async function verifyLayer(session: Session, { cache, verifyWhole }: TierToVerify, { layer, mode }: LayerCheck): Promise<number> {
  const { signal } = session;
  const hash = contentHashOf(layer.diffId);
  const found = await cache.contentExists(hash, { signal });
  if (found === undefined) throw new ClipctlError('CACHE_CORRUPT', 'it is not there');
  if (layer.isClaimed !== true && found.sizeBytes !== layer.sizeBytes)
    throw new ClipctlError('CACHE_CORRUPT', `it has ${found.sizeBytes} bytes, ${layer.sizeBytes} are right`);
  const isSmall = layer.sizeBytes <= MAP_SPAN_BYTES;
  if (verifyWhole !== undefined && (mode === 'full' || isSmall)) {
    if ((await verifyWhole(hash)) !== 'verified') throw new ClipctlError('CACHE_CORRUPT', 'its content is another');
    return layer.sizeBytes;
  }
  if (mode === 'full' || isSmall || layer.isClaimed === true) return hashWhole(session, cache, hash);
  const map = await sampleOf(session, layer, cache);
  if (map !== undefined) return checkSample(session, cache, { hash, ...map });
  // On disk the record vouches for the file, and was compared with it; of a remote nothing is known but what it sends.
  return verifyWhole === undefined ? hashWhole(session, cache, hash) : 0;
}

interface Sample {
  readonly map: ContentMap;
  readonly spans: readonly number[];
}

/** The first span, the last, and one in between that nobody can foresee; undefined where no part can be asked for or judged. */
async function sampleOf(
  { disk, signal }: Session,
  { diffId, sizeBytes, map }: LayerToVerify,
  cache: ContentCache,
): Promise<Sample | undefined> {
  if (!cache.capabilities.ranges) return undefined;
  const last = Math.ceil(sizeBytes / MAP_SPAN_BYTES) - 1;
  const spans = [...new Set([0, last, ...(last > 1 ? [randomInt(1, last)] : [])])];
  if (map !== undefined && isWholeMap(map)) return { map, spans };
  const hash = contentHashOf(diffId);
  const onDisk = cache === disk ? undefined : await disk.contentExists(hash, { signal });
  if (onDisk?.sizeBytes !== sizeBytes) return undefined;
  return {
    map: await mapOfSpans({ sizeBytes, spans, digestOf: (range) => digestOnDisk(disk, hash, { ...range, signal }) }),
    spans,
  };
}

async function hashWhole(session: Session, cache: ContentCache, hash: ContentHash): Promise<number> {
  const { signal } = session;
  const memory = await session.budget.acquire(READ_BYTES, signal);
  try {
    const stream = await cache.getContent(hash, { signal });
    if (stream === undefined) throw new ClipctlError('CACHE_CORRUPT', 'it is not there');
    const sha = createHash('sha256');
    let bytes = 0;
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      sha.update(piece);
      bytes += piece.length;
    }
    signal.throwIfAborted();
    if (sha.digest('hex') !== hash) throw new ClipctlError('CACHE_CORRUPT', 'its content is another');
    return bytes;
  } finally {
    memory.release();
  }
}

async function checkSample(
  session: Session,
  cache: ContentCache,
  { hash, map, spans }: Sample & { readonly hash: ContentHash },
): Promise<number> {
  const { signal } = session;
  let bytes = 0;
  for (const index of spans) {
    const lease = await session.budget.acquireBuffer(MAP_SPAN_BYTES, signal);
    try {
      if ((await readSpan(cache, hash, { map, index, into: lease.buffer, signal })) === 'missing')
        throw new ClipctlError('CACHE_CORRUPT', 'it is not there');
    } finally {
      lease.release();
    }
    bytes += spanAt(map, index).length;
  }
  return bytes;
}

/** sha256 of a part of the verified file. */
async function digestOnDisk(disk: Session['disk'], hash: ContentHash, range: ContentRange & CacheCallOptions): Promise<Buffer> {
  const stream = await disk.getContent(hash, range);
  if (stream === undefined) throw new ClipctlError('CACHE_CORRUPT', `the disk cache has lost ${hash}`);
  const sha = createHash('sha256');
  for await (const piece of stream as AsyncIterable<Uint8Array>) sha.update(piece);
  range.signal.throwIfAborted();
  return sha.digest();
}

/** One sentence for each tier that is not right; empty when all are. */
export function wrongTiers(verification: Verification | undefined): { readonly tier: string; readonly message: string }[] {
  return (verification?.tiers ?? []).flatMap(({ tier, wrong, layers }) => {
    const [first] = wrong;
    if (first === undefined) return [];
    const place = tier === 'disk' ? 'the disk cache' : `remote cache ${tier}`;
    return [{ tier, message: `${place} has ${wrong.length} of ${layers} layers not right: ${first.diffId}: ${first.reason}` }];
  });
}
