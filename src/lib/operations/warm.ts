/** `warm`: every layer of the images into the disk cache, from the nearest tier that has it, each fetched once. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { TierFailure } from '../cache/tiered.ts';
import { ClipctlError } from '../errors.ts';
import type { ContentHash, Digest, DiffId } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import { Lanes } from '../pipeline/lanes.ts';
import { throughAtOnce } from '../pipeline/layer-parts.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import { announceImages } from './announce-images.ts';
import { claimRoom, rememberImages, wantedOf } from './disk-room.ts';
import { combineFailures } from './failures.ts';
import { announced, distinctLayers, manifestDigestOf, platformOf, type LayerOfImage } from './image-layers.ts';
import { mendRemotes } from './mend-remotes.ts';
import type { OpenedImage } from './open-image.ts';
import { openImages, type PlatformChoice } from './open-images.ts';
import { openReadAndFill, type ReadAndFill } from './open-remotes.ts';
import type { Session } from './open-session.ts';
import { RemoteTally } from './remote-tally.ts';
import type { Verification, WarmedImage, WarmedLayer, WarmResult } from './results.ts';
import { remoteFailed, sendLayer, settleSends, type SendFailure } from './send-layer.ts';
import { requireSizes, sendThrough } from './send-through.ts';
import { sizeOnDisk, warmLayer, type ServedLayer } from './tiers.ts';
import { contentMapOf, verifyTiers, wrongTiers, type VerifyMode } from './verify-tiers.ts';

export interface WarmRequest extends PlatformChoice {
  /** References, layouts and `.clip` files. */
  readonly images: readonly string[];
  readonly platform?: Platform;
  /** Remotes to fill too. */
  readonly to: readonly string[];
  /** Remotes to read before the registry, nearest first. */
  readonly from: readonly string[];
  /** `required`: a failing remote is an error (exit 11). */
  readonly remote: 'optional' | 'required';
  /** Only these layers (digest or diffID); empty = all. */
  readonly layers: readonly Digest[];
  /** Overwrite what a remote turned out to hold wrong. */
  readonly repairRemote?: boolean;
  /** Layers that are not on disk go straight into the remotes of `to`, and nothing is kept here. */
  readonly noDisk?: boolean;
  /** Read back what was brought and sent: the ends and a sample, or every byte. */
  readonly verify?: VerifyMode;
  /** Remotes of `from` that are not written to, also not to repair them. */
  readonly readOnly?: readonly string[];
}

interface TaskOutcome extends ServedLayer {
  readonly stored: readonly string[];
  /** Of remotes, asked or filled; not what was mended. */
  readonly failures: readonly SendFailure[];
  readonly isSizeClaimed?: boolean;
}

/** @throws ClipctlError when an image or a layer failed; everything else was still brought in */
export async function warmImages(session: Session, request: WarmRequest): Promise<WarmResult> {
  const startedAt = performance.now();
  const remotes = await openReadAndFill(session, request);
  const { images, failures } = await openImages(session, request);
  await session.disk.removeLeftovers(session.signal);
  announceImages(session, images.map(announced), ({ diffId }) => diffId);
  if (request.noDisk !== true) await claimRoom(session, wantedOf(images));
  const run = new WarmRun(session, request, remotes);
  const outcomes = await run.warmAll(distinctLayers(images), failures);
  if (request.layers.length === 0 && request.noDisk !== true) await rememberImages(session, images);
  if (request.noDisk !== true) await session.documents.keep();
  const remoteFailures = [...outcomes.values()].flatMap((outcome) => outcome.failures);
  if (request.remote === 'required' && remoteFailures.length > 0)
    throw combineFailures(remoteFailures.map(remoteFailed), 'remote calls');
  const verification = await run.verify(images, outcomes);
  return {
    images: images.map((image) => warmedImage(image, outcomes)),
    totals: totalsOf(session, outcomes),
    remotes: run.tally.figures(),
    ...(verification === undefined ? {} : { verification }),
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: [
      ...new Set([
        ...images.flatMap((image) => image.warnings),
        ...run.tally.warnings(),
        ...wrongTiers(verification).map(({ message }) => message),
      ]),
    ],
  };
}

class WarmRun {
  readonly tally: RemoteTally;
  readonly #session: Session;
  readonly #request: WarmRequest;
  readonly #remotes: ReadAndFill;
  /** Apart from the layers that come in: a slow remote makes data wait on disk, and keeps no core idle. */
  readonly #sends: Lanes;

  constructor(session: Session, request: WarmRequest, remotes: ReadAndFill) {
    this.tally = new RemoteTally(remotes.all);
    this.#session = session;
    this.#request = request;
    this.#remotes = remotes;
    this.#sends = new Lanes(session.options.jobs);
  }

  /** @param failures of images that could not be opened @throws combineFailures of these and of layers, when all have ended */
  async warmAll(tasks: readonly LayerOfImage[], failures: readonly unknown[]): Promise<Map<DiffId, TaskOutcome>> {
    const sends: Promise<PromiseSettledResult<void>[]>[] = [];
    const outcomes = new Map<DiffId, TaskOutcome>();
    const { jobs } = this.#session.options;
    const noDisk = this.#request.noDisk === true;
    if (noDisk) await requireSizes(this.#session, tasks, this.#remotes.to);
    const work = async (task: LayerOfImage, isLast: boolean): Promise<void> => {
      if (noDisk && (await sizeOnDisk(this.#session, task.layer)) === undefined) {
        outcomes.set(task.layer.diffId, await this.#passThrough(task));
        return;
      }
      const served = await this.#serve(task, isLast);
      const sent = this.#sends.run(() => this.#send(task, served));
      // Settled at once: nobody waits for it before all layers are in.
      sends.push(Promise.allSettled([sent.then((outcome) => void outcomes.set(task.layer.diffId, outcome))]));
    };
    const sizeOf = ({ layer }: LayerOfImage): number => layer.sizeBytes;
    const limit = noDisk ? Math.min(jobs, throughAtOnce(this.#session)) : jobs;
    const settled = await runLargestFirst(tasks, { limit, sizeOf, work });
    settled.push(...(await Promise.all(sends)).flat());
    const failed = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length + failed.length > 0) throw combineFailures([...failures, ...failed], 'items');
    return outcomes;
  }

  /** @throws ClipctlError CACHE_CORRUPT when the disk is wrong, REMOTE_FAILED when a required remote is */
  async verify(images: readonly OpenedImage[], outcomes: ReadonlyMap<DiffId, TaskOutcome>): Promise<Verification | undefined> {
    const { verify: mode = 'none', noDisk = false, remote } = this.#request;
    if (mode === 'none') return undefined;
    const layers = distinctLayers(images).map(({ layer, image }) => ({
      diffId: layer.diffId,
      sizeBytes: outcomes.get(layer.diffId)?.uncompressedBytes ?? 0,
      isClaimed: outcomes.get(layer.diffId)?.isSizeClaimed ?? false,
      map: contentMapOf(image, layer.digest),
    }));
    const remotes = this.#remotes.to.map((cache) => ({ name: cache.url, cache, layers }));
    const { disk: cache, signal } = this.#session;
    const disk = { name: 'disk', cache, layers, verifyWhole: (hash: ContentHash) => cache.verifyLayer(hash, { signal }) };
    const tiers = noDisk ? remotes : [disk, ...remotes];
    const found = await verifyTiers(this.#session, mode, tiers);
    const verification = (await this.#mend(found, images)) ? await verifyTiers(this.#session, mode, tiers) : found;
    requireRight(verification, remote);
    return verification;
  }

  async #mend(verification: Verification, images: readonly OpenedImage[]): Promise<boolean> {
    if (this.#request.repairRemote !== true || this.#request.noDisk === true) return false;
    const layers = distinctLayers(images).map(({ layer }) => layer);
    return mendRemotes(this.#session, { verification, remotes: this.#remotes.to, layers, tally: this.tally });
  }

  async #serve({ layer, image }: LayerOfImage, isLast: boolean): Promise<ServedLayer> {
    const served = await warmLayer(this.#session, {
      layer,
      remotes: this.#remotes.from,
      source: image.source,
      isLast,
      map: image.mapOf(layer.digest),
    });
    if (served.fill !== undefined) this.tally.noteFill(served.fill, layer.digest);
    return served;
  }

  async #passThrough(task: LayerOfImage): Promise<TaskOutcome> {
    const { digest } = task.layer;
    const through = await sendThrough(this.#session, task, this.#remotes.to);
    for (const { url, result } of through.results) this.tally.noteStored(url, result, { isRepair: false });
    for (const { url, error } of through.failures) this.tally.noteStoreFailure(url, error, digest);
    const wasThere = through.results.every(({ result }) => result.skipped);
    return {
      servedBy: wasThere ? 'remote' : task.image.source().kind,
      uncompressedBytes: through.uncompressedBytes ?? 0,
      downloadedBytes: through.downloadedBytes,
      resumedBytes: 0,
      fill: undefined,
      stored: through.stored,
      failures: through.failures,
      isSizeClaimed: through.isSizeClaimed,
    };
  }

  /** Fills the remotes of --to, and mends those that turned out wrong. */
  async #send({ layer }: LayerOfImage, served: ServedLayer): Promise<TaskOutcome> {
    const { digest, diffId } = layer;
    const read = served.fill?.failures ?? [];
    const wrong = new Set(read.filter(({ corrupt }) => corrupt).map(({ url }) => url));
    const sent = { digest, diffId, sizeBytes: served.uncompressedBytes };
    const { results, failures } = await settleSends(this.#toFill(wrong), (remote) =>
      sendLayer(this.#session, remote, { ...sent, replace: wrong.has(remote.url) }),
    );
    for (const { url, result } of results) this.tally.noteStored(url, result, { isRepair: wrong.has(url) });
    for (const { url, error } of failures) this.tally.noteStoreFailure(url, error, digest);
    // One that says it has the layer and could not serve it has not shown that it does.
    const doubtful = new Set(read.map(({ url }) => url));
    const held = results.filter(({ url, result }) => !(result.skipped && doubtful.has(url))).map(({ url }) => url);
    const filled = held.filter((url) => this.#remotes.to.some((remote) => remote.url === url));
    const isMended = ({ url, corrupt }: TierFailure): boolean => corrupt && results.some((stored) => stored.url === url);
    return { ...served, stored: filled, failures: [...read.filter((failure) => !isMended(failure)), ...failures] };
  }

  /** One known to hold wrong bytes is overwritten or left alone: it would say that it has the layer. */
  #toFill(wrong: ReadonlySet<string>): ContentCache[] {
    const { repairRemote = false } = this.#request;
    const { all, to, readOnly } = this.#remotes;
    return all.filter((remote) => {
      if (wrong.has(remote.url)) return repairRemote && !readOnly.has(remote.url);
      return to.includes(remote);
    });
  }
}

/** A wrong remote costs a warning unless it is required; a wrong disk is no warm layer. @throws ClipctlError CACHE_CORRUPT, REMOTE_FAILED */
function requireRight(verification: Verification, remote: WarmRequest['remote']): void {
  for (const { tier, message } of wrongTiers(verification)) {
    if (tier === 'disk') throw new ClipctlError('CACHE_CORRUPT', message);
    if (remote === 'required') throw new ClipctlError('REMOTE_FAILED', message);
  }
}

function warmedImage(image: OpenedImage, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmedImage {
  const layers = image.layers.flatMap((layer): WarmedLayer[] => {
    const outcome = outcomes.get(layer.diffId);
    if (outcome === undefined) return [];
    const { uncompressedBytes, servedBy, downloadedBytes, stored } = outcome;
    const resumed = resumedField(outcome.resumedBytes);
    return [{ digest: layer.digest, diffId: layer.diffId, uncompressedBytes, servedBy, downloadedBytes, ...resumed, stored }];
  });
  const manifestDigest = manifestDigestOf(image);
  const named = manifestDigest === undefined ? {} : { manifestDigest };
  return { image: image.name, platform: platformOf(image), ...named, layers };
}

/** A field for what is rare. */
function resumedField(resumedBytes: number): { readonly resumedBytes?: number } {
  return resumedBytes === 0 ? {} : { resumedBytes };
}

function totalsOf(session: Session, outcomes: ReadonlyMap<DiffId, TaskOutcome>): WarmResult['totals'] {
  const all = [...outcomes.values()];
  return {
    layers: all.length,
    downloadedBytes: all.reduce((sum, outcome) => sum + outcome.downloadedBytes, 0),
    ...resumedField(all.reduce((sum, outcome) => sum + outcome.resumedBytes, 0)),
    uncompressedBytes: all.reduce((sum, outcome) => sum + outcome.uncompressedBytes, 0),
    requests: session.requestCount(),
    retries: session.retryCount(),
  };
}
