/** Mending the disk cache: what is wrong goes, and comes again from where an image that was warmed here has it. */
import type { ContentCache } from '../cache/content-cache.ts';
import { readImageRecords, type StoredImageRecord } from '../cache/disk/image-records.ts';
import { ClipctlError, errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import { contentHashOf, shortDigest, type DiffId } from '../oci/digest.ts';
import { parsePlatform } from '../oci/platform.ts';
import { imagesByLayer } from './cache-names.ts';
import type { CorruptLayer, RepairedLayer } from './cache-results.ts';
import { openImage } from './open-image.ts';
import { openOptionalRemotes } from './open-remotes.ts';
import type { Session } from './open-session.ts';
import { warmLayer } from './tiers.ts';

export interface RepairRequest {
  readonly corrupt: readonly CorruptLayer[];
  readonly missing: readonly { readonly diffId: DiffId }[];
  readonly from: readonly string[];
}

export interface Repairs {
  readonly repaired: readonly RepairedLayer[];
  /** What could not be fetched, and which image to warm. */
  readonly warnings: readonly string[];
}

/** Goes on when one can't be mended. @throws ClipctlError STORAGE_DENIED where nothing can be: the cache can't be written; the signal's reason */
export async function repairLayers(session: Session, request: RepairRequest): Promise<Repairs> {
  const users = imagesByLayer(await readImageRecords(session.options.cacheDir));
  const remotes = await openOptionalRemotes(session, request.from);
  const repaired: RepairedLayer[] = [];
  const warnings: string[] = [];
  const corrupt = new Set(request.corrupt.map(({ diffId }) => diffId));
  for (const { diffId } of [...request.corrupt, ...request.missing]) {
    session.signal.throwIfAborted();
    const problem = await attempt(() => session.disk.dropLayer(contentHashOf(diffId)), 'STORAGE_DENIED');
    if (problem !== undefined) {
      warnings.push(`layer ${diffId} stays as it is: ${problem.message}${problem.hint === undefined ? '' : `. ${problem.hint}`}`);
      continue;
    }
    const images = users.get(contentHashOf(diffId)) ?? [];
    const fetched = await fetchAgain(session, diffId, { images, remotes });
    if ('from' in fetched) repaired.push({ diffId, by: 'fetched', from: fetched.from });
    else {
      repaired.push({ diffId, by: corrupt.has(diffId) ? 'dropped' : 'forgotten' });
      warnings.push(adviceOf(diffId, images, fetched.problem));
    }
  }
  return { repaired, warnings };
}

interface Sources {
  readonly images: readonly StoredImageRecord[];
  readonly remotes: readonly ContentCache[];
}

async function fetchAgain(
  session: Session,
  diffId: DiffId,
  { images, remotes }: Sources,
): Promise<{ readonly from: string } | { readonly problem: string }> {
  let problem = 'no image is known that has it';
  for (const { image, platform } of images) {
    const failed = await attempt(async () => {
      const opened = await openImage(session, image, platform === 'unknown' ? {} : { platform: parsePlatform(platform) });
      const layer = opened.layers.find((each) => each.diffId === diffId);
      if (layer === undefined) throw new Error(`${image} has another such layer by now`);
      await warmLayer(session, { layer, remotes, source: opened.source, isLast: true, map: opened.mapOf(layer.digest) });
    });
    if (failed === undefined) return { from: image };
    problem = failed.message;
  }
  return { problem };
}

interface Problem {
  readonly message: string;
  /** What to do. */
  readonly hint?: string | undefined;
}

/** Why it failed; `undefined` = it did not. @throws the signal's reason; an error of the code `fatal` */
async function attempt(action: () => Promise<void>, fatal?: ErrorCode): Promise<Problem | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    if (isAbort(error) || errorCodeOf(error) === fatal) throw error;
    if (error instanceof ClipctlError) return { message: error.message, hint: error.hint };
    return { message: error instanceof Error ? error.message : String(error) };
  }
}

function adviceOf(diffId: DiffId, images: readonly StoredImageRecord[], problem: string): string {
  const [image] = images;
  const what = image === undefined ? '' : `; to have it again: clipctl warm ${image.image}`;
  return `layer ${shortDigest(diffId)} is no longer in the cache and could not be fetched (${problem})${what}`;
}
