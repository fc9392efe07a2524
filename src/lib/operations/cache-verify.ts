/** `cache verify` and `cache repair`: is every layer the file that was verified, or still its sha256; and mend what is not. */
import { join } from 'node:path';
import { readImageRecords } from '../cache/disk/image-records.ts';
import { surveyCache } from '../cache/disk/survey.ts';
import { digestOfHash, type ContentHash, type DiffId } from '../oci/digest.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { imagesByLayer, namesOf } from './cache-names.ts';
import { repairLayers, type Repairs } from './cache-repair.ts';
import type { CacheVerifyResult, CorruptLayer, DamageReason } from './cache-results.ts';
import { valuesOrThrow } from './failures.ts';
import { judgeLayer } from './judge-layer.ts';
import type { Session } from './open-session.ts';
import { stateWarnings } from './state-warnings.ts';

export interface CacheVerifyRequest {
  /** Hash every layer. */
  readonly full: boolean;
  /** Only the layers of one part of several, always the same ones. */
  readonly subset?: { readonly part: number; readonly of: number };
  /** Fetch what is wrong again, and drop what can't be fetched. */
  readonly repair: boolean;
  /** Remotes to ask before the images. */
  readonly from: readonly string[];
}

/** @throws ClipctlError STORAGE_*, CACHE_VERSION; the signal's reason */
export async function verifyCache(session: Session, request: CacheVerifyRequest): Promise<CacheVerifyResult> {
  const startedAt = performance.now();
  const { cacheDir: path } = session.options;
  await session.disk.holdLayers([]);
  const survey = await surveyCache(path, session);
  const isAsked = (hash: ContentHash): boolean => isInSubset(hash, request.subset);
  const layers = survey.layers.filter(({ hash }) => isAsked(hash));
  const verdicts = valuesOrThrow(
    await runLimited(layers, session.options.jobs, (layer) => judgeLayer(session, layer, request.full)),
    'layers',
  );
  const users = imagesByLayer(await readImageRecords(path));
  const about = (hash: ContentHash) => ({ diffId: digestOfHash(hash), images: namesOf(users.get(hash)) });
  const wrong = (hash: ContentHash, reason: DamageReason): CorruptLayer => ({ ...about(hash), path: join(path, hash), reason });
  const corrupt = layers.flatMap(({ hash }, at) => {
    const verdict = verdicts[at] ?? 'ok';
    return verdict === 'ok' || verdict === 'unverified' || verdict === 'gone' ? [] : [wrong(hash, verdict)];
  });
  corrupt.push(...survey.odd.filter(isAsked).map((hash) => wrong(hash, 'no-file')));
  const missing = (await stillMissing(session, survey.missing.filter(isAsked))).map(about);
  const mended = request.repair ? await repairLayers(session, { corrupt, missing, from: request.from }) : NOTHING_MENDED;
  const isLeft = ({ diffId }: { readonly diffId: DiffId }): boolean => !request.repair || mended.left.has(diffId);
  return {
    path,
    full: request.full,
    checked: layers.length + corrupt.filter(({ reason }) => reason === 'no-file').length + missing.length,
    corrupt: corrupt.filter(isLeft),
    missing: missing.filter(isLeft),
    unverified: layers.filter((_, at) => verdicts[at] === 'unverified').map(({ hash }) => digestOfHash(hash)),
    repaired: mended.repaired,
    bytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
    durationMs: Math.round(performance.now() - startedAt),
    warnings: [...mended.warnings, ...(await stateWarnings(path))],
  };
}

const NOTHING_MENDED: Repairs = { repaired: [], left: new Set(), warnings: [] };

/** The first hex digits are as good as random, and the same tomorrow. */
function isInSubset(hash: ContentHash, subset: CacheVerifyRequest['subset']): boolean {
  return subset === undefined || Number.parseInt(hash.slice(0, 8), 16) % subset.of === subset.part - 1;
}

/** Between the look at the files and the look at the records some may have come or gone. */
async function stillMissing(session: Session, hashes: readonly ContentHash[]): Promise<ContentHash[]> {
  const now =
    hashes.length === 0 ? new Set<ContentHash>() : new Set((await surveyCache(session.options.cacheDir, session)).missing);
  return hashes.filter((hash) => now.has(hash));
}
