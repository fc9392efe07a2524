/** Mending the disk cache: what is wrong goes, and comes again from where an image that was warmed here has it. */
import type { ContentCache } from '../cache/content-cache.ts';
import { readImageRecords, type StoredImageRecord } from '../cache/disk/image-records.ts';
import { ClipctlError, errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import { contentHashOf, shortDigest, type DiffId } from '../oci/digest.ts';
import { parsePlatform } from '../oci/platform.ts';
import { imagesByLayer } from './cache-names.ts';
import type { CorruptLayer, RepairedLayer } from './cache-results.ts';
import { clearLayer } from './clear-layer.ts';
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
  /** Still wrong. What is neither here nor in `repaired`, another process has mended. */
  readonly left: ReadonlySet<DiffId>;
  /** What could not be fetched, and which image to warm. */
  readonly warnings: readonly string[];
}

/** Goes on when one can't be mended. @throws ClipctlError STORAGE_DENIED where nothing can be: the cache can't be written; the signal's reason */
export async function repairLayers(session: Session, request: RepairRequest): Promise<Repairs> {
  const users = imagesByLayer(await readImageRecords(session.options.cacheDir));
  const remotes = await openOptionalRemotes(session, request.from);
  const repaired: RepairedLayer[] = [];
  const left = new Set<DiffId>();
  const warnings: string[] = [];
  const foreign: DiffId[] = [];
  const corrupt = new Set(request.corrupt.map(({ diffId }) => diffId));
  for (const { diffId } of [...request.corrupt, ...request.missing]) {
    session.signal.throwIfAborted();
    const images = users.get(contentHashOf(diffId)) ?? [];
    const outcome = await mend(session, diffId, { images, remotes });
    if (outcome.is === 'fetched') repaired.push({ diffId, by: 'fetched', from: outcome.from });
    if (outcome.is === 'gone') {
      repaired.push({ diffId, by: corrupt.has(diffId) ? 'dropped' : 'forgotten' });
      warnings.push(adviceOf(diffId, images, outcome.problem));
    }
    if (outcome.is === 'foreign') foreign.push(diffId);
    if (outcome.is === 'stuck') warnings.push(`layer ${diffId} stays as it is: ${outcome.problem}`);
    if (outcome.is === 'foreign' || outcome.is === 'stuck') left.add(diffId);
  }
  return { repaired, left, warnings: [...warnings, ...foreignWarning(session, foreign)] };
}

/** `good`: another process has mended it. `foreign`: it is not ours to take away, and nothing is known to replace it. */
type Outcome =
  | { readonly is: 'good' | 'foreign' }
  | { readonly is: 'fetched'; readonly from: string }
  | { readonly is: 'gone' | 'stuck'; readonly problem: string };

interface Sources {
  readonly images: readonly StoredImageRecord[];
  readonly remotes: readonly ContentCache[];
}

async function mend(session: Session, diffId: DiffId, sources: Sources): Promise<Outcome> {
  const cleared = await attempt(() => clearLayer(session, diffId), 'STORAGE_DENIED');
  if ('problem' in cleared) return { is: 'stuck', problem: cleared.problem };
  if (cleared.value === 'good') return { is: 'good' };
  if (cleared.value === 'foreign' && sources.images.length === 0) return { is: 'foreign' };
  const fetched = await fetchAgain(session, diffId, sources);
  if (!('problem' in fetched)) return fetched;
  if (cleared.value === 'gone') {
    const isThereAgain = (await session.disk.checkLayer(contentHashOf(diffId))) === 'verified';
    return isThereAgain ? { is: 'good' } : { is: 'gone', problem: fetched.problem };
  }
  return { is: 'stuck', problem: `clipctl did not put it there, and it could not be replaced (${fetched.problem})` };
}

async function fetchAgain(
  session: Session,
  diffId: DiffId,
  { images, remotes }: Sources,
): Promise<Outcome | { readonly problem: string }> {
  let problem = 'no image is known that has it';
  for (const { image, platform } of images) {
    const tried = await attempt(async () => {
      const opened = await openImage(session, image, platform === 'unknown' ? {} : { platform: parsePlatform(platform) });
      const layer = opened.layers.find((each) => each.diffId === diffId);
      if (layer === undefined) throw new Error(`${image} has another such layer by now`);
      return warmLayer(session, { layer, remotes, source: opened.source, isLast: true, map: opened.mapOf(layer.digest) });
    });
    // Another process was first.
    if ('value' in tried) return tried.value.servedBy === 'disk' ? { is: 'good' } : { is: 'fetched', from: image };
    problem = tried.message;
  }
  return { problem };
}

interface Problem {
  readonly message: string;
  /** With what to do. */
  readonly problem: string;
}

/** What it gives, or why it failed. @throws the signal's reason; an error of the code `fatal` */
async function attempt<T>(action: () => Promise<T>, fatal?: ErrorCode): Promise<{ readonly value: T } | Problem> {
  try {
    return { value: await action() };
  } catch (error) {
    if (isAbort(error) || errorCodeOf(error) === fatal) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof ClipctlError && error.hint !== undefined ? `. ${error.hint}` : '';
    return { message, problem: `${message}${hint}` };
  }
}

function adviceOf(diffId: DiffId, images: readonly StoredImageRecord[], problem: string): string {
  const [image] = images;
  const what = image === undefined ? '' : `; to have it again: clipctl warm ${image.image}`;
  return `layer ${shortDigest(diffId)} is no longer in the cache and could not be fetched (${problem})${what}`;
}

function foreignWarning({ disk }: Session, [first, ...others]: readonly DiffId[]): string[] {
  if (first === undefined) return [];
  const which = `${disk.layerPath(contentHashOf(first))}${others.length === 0 ? '' : ` and ${others.length} more`}`;
  return [
    `left alone, since clipctl did not put it there: ${which}, under the name of a layer and not its content; ` +
      'look at it and move it away, for who mounts the cache takes it for that layer',
  ];
}
