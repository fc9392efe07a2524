/**
 * Room in the cache directory: what has to go before a layer may come, and after one has. Nothing goes that is leased,
 * open in a process, pinned, or was used a moment ago.
 */
import { lstat } from 'node:fs/promises';
import { ClipctlError, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { diskBytesOf } from './disk-usage.ts';
import { evictLayers } from './evict-layers.ts';
import { planEviction, type EvictionPlan, type KeepReason } from './eviction-plan.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { Lease } from './lease.ts';
import { openLayers } from './open-files.ts';
import { pinnedLayers } from './pins.ts';
import { readLeases } from './read-leases.ts';
import { missingSpace, neededSpace, resolveLimits, withMoreFree, type SpaceLimits, type SpaceOptions } from './space-limits.ts';
import { surveyCache, type CacheSurvey, type SurveyedLayer } from './survey.ts';
import type { UseClock } from './use-clock.ts';

/** Used within this time is in use. */
export const RECENT_MS = 10 * 60_000;
const COUNT_EVERY_MS = 15_000;

export interface RoomOptions extends SpaceOptions {
  readonly clock: UseClock;
  /** The layers of this process: they stay. */
  readonly lease: Lease;
  /** Default {@link RECENT_MS}. */
  readonly recentMs?: number;
  /** Hears of layers that went. */
  readonly onEvicted?: (layers: readonly SurveyedLayer[]) => void;
}

export interface RoomDemand {
  /** What will certainly come, in bytes. */
  readonly requiredBytes: number;
  /** What will come by all that is known; default: what is required. */
  readonly expectedBytes?: number;
  readonly signal?: AbortSignal;
}

export interface GainDemand extends RoomDemand {
  readonly leastBytes: number;
}

/** What is known of a layer before it comes. */
export interface KnownSize {
  /** Decompressed. */
  readonly sizeBytes?: number;
  /** It won't be less: the compressed size. */
  readonly atLeastBytes?: number;
  readonly signal?: AbortSignal;
}

/** Where only the compressed size is known, room is made for a layer that decompresses to so many times as much. */
const EXPECTED_RATIO = 3;

/** A layer that is complete, and has no name yet. */
export interface Arrival {
  readonly hash: ContentHash;
  /** Its temporary file. */
  readonly path: string;
  /** What has the name already stays: nothing is added. */
  readonly isThere: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Of the cap; a larger layer is not let in by a figure that other processes may have made wrong meanwhile. */
const SMALL_SHARE = 1 / 64;

export interface PruneDemand extends SpaceOptions {
  /** Layers that were not used for so long go too. */
  readonly maxAgeMs?: number;
  readonly keep: ReadonlySet<ContentHash>;
  readonly signal: AbortSignal;
}

export interface PrunePlan extends EvictionPlan {
  readonly survey: CacheSurvey;
  readonly limits: SpaceLimits;
}

const NEVER = new AbortController().signal;

export class CacheRoom {
  readonly #cacheDir: string;
  readonly #options: RoomOptions;
  /** Own bytes as last counted, and what was committed since. */
  #knownBytes: number | undefined;
  #countedAtMs = 0;
  readonly #arrivals = new KeyedTurns();

  constructor(cacheDir: string, options: RoomOptions) {
    this.#cacheDir = cacheDir;
    this.#options = options;
  }

  limits(): Promise<SpaceLimits> {
    return resolveLimits(this.#cacheDir, this.#options);
  }

  /** Makes room for one layer. @throws ClipctlError STORAGE_FULL */
  makeFor({ sizeBytes, atLeastBytes = 0, signal = NEVER }: KnownSize): Promise<void> {
    return this.make({
      requiredBytes: sizeBytes ?? atLeastBytes,
      expectedBytes: sizeBytes ?? atLeastBytes * EXPECTED_RATIO,
      signal,
    });
  }

  /**
   * Evicts until what comes fits under both limits.
   * @throws ClipctlError STORAGE_FULL when what is required can't fit, whatever goes
   */
  async make({ requiredBytes, expectedBytes = requiredBytes, signal = NEVER }: RoomDemand): Promise<void> {
    const limits = await this.limits();
    const ownBytes = await this.#ownBytes(signal);
    const wantedBytes = Math.max(requiredBytes, expectedBytes);
    if (missingSpace(limits, ownBytes, wantedBytes) === 0) return;
    const survey = await this.#count(signal);
    const plan = await this.#plan(survey, { neededBytes: neededSpace(limits, survey.ownBytes, wantedBytes) });
    // Nothing goes in vain.
    this.#require(limits, { requiredBytes, ownBytes: survey.ownBytes, gainBytes: plan.freedBytes });
    await this.#evict(plan);
    this.#require(await this.limits(), { requiredBytes, ownBytes: this.#knownBytes ?? 0, gainBytes: 0 });
  }

  /**
   * Makes room for what did not fit although the limits held; of it, `leastBytes` come from layers that go. False: nothing
   * may go that helps.
   * @throws ClipctlError STORAGE_FULL when what is required can't fit, whatever goes
   */
  async gain({ requiredBytes, expectedBytes = requiredBytes, leastBytes, signal = NEVER }: GainDemand): Promise<boolean> {
    const limits = await this.limits();
    const survey = await this.#count(signal);
    const neededBytes = Math.max(leastBytes, neededSpace(limits, survey.ownBytes, expectedBytes));
    const plan = await this.#plan(survey, { neededBytes });
    this.#require(limits, { requiredBytes, ownBytes: survey.ownBytes, gainBytes: plan.freedBytes });
    return neededBytes === 0 || (await this.#evict(plan)).length > 0;
  }

  /** What is said where more than `requiredBytes` would not fit. */
  async refusal(requiredBytes: number, cause: unknown): Promise<ClipctlError> {
    return noRoom(this.#cacheDir, { ...(await this.limits()), requiredBytes, ownBytes: await this.#ownBytes(NEVER) }, cause);
  }

  /** @throws ClipctlError STORAGE_FULL */
  #require(
    limits: SpaceLimits,
    facts: { readonly requiredBytes: number; readonly ownBytes: number; readonly gainBytes: number },
  ): void {
    const { requiredBytes, ownBytes, gainBytes } = facts;
    if (missingSpace(limits, ownBytes, requiredBytes) > gainBytes)
      throw noRoom(this.#cacheDir, { ...limits, requiredBytes, ownBytes });
  }

  /**
   * Runs `publish`, which gives a layer its name, when both limits hold with it too; what may go for that goes. One at a
   * time, so that no two take the same room; transfers under way do not count: their turn comes when they are complete.
   * @throws ClipctlError STORAGE_FULL when it does not fit, STORAGE_*; what `publish` throws
   */
  admit(arrival: Arrival, publish: () => Promise<void>): Promise<void> {
    return this.#arrivals.run('', async () => {
      const addedBytes = (await arrival.isThere()) ? 0 : await spaceOf(arrival.path);
      if (addedBytes > 0) await this.#letIn(arrival, addedBytes);
      await publish();
      if (this.#knownBytes !== undefined) this.#knownBytes += addedBytes;
    });
  }

  async #letIn({ hash, signal }: Arrival, requiredBytes: number): Promise<void> {
    const limits = await this.limits();
    if (requiredBytes <= limits.maxCacheBytes * SMALL_SHARE) {
      const ownBytes = await this.#ownBytes(signal);
      if (missingSpace(withMoreFree(limits, requiredBytes), ownBytes, requiredBytes) === 0) return;
    }
    const survey = await this.#count(signal);
    // It is among the transfers that were counted.
    this.#knownBytes = survey.ownBytes - requiredBytes;
    const replaced = survey.layers.find((layer) => layer.hash === hash && layer.state !== 'foreign')?.diskBytes ?? 0;
    const ownBytes = survey.ownBytes - survey.ingestBytes - replaced;
    const settled = withMoreFree(limits, survey.ingestBytes + replaced);
    if (missingSpace(settled, ownBytes, requiredBytes) === 0) return;
    const plan = await this.#plan(survey, { neededBytes: neededSpace(settled, ownBytes, requiredBytes) });
    this.#require(settled, { requiredBytes, ownBytes, gainBytes: plan.freedBytes });
    const gone = await this.#evict(plan);
    this.#require(settled, { requiredBytes, ownBytes, gainBytes: gone.reduce((sum, layer) => sum + layer.diskBytes, 0) });
  }

  /** After a commit: keeps below the limits, as far as nobody needs what would have to go. */
  async settle({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const limits = await this.limits();
    const ownBytes = await this.#ownBytes(signal);
    if (missingSpace(limits, ownBytes, 0) === 0) return;
    const survey = await this.#count(signal);
    await this.#evict(await this.#plan(survey, { neededBytes: neededSpace(limits, survey.ownBytes, 0) }));
  }

  /** What would go to get under these limits, without slack. Evicts nothing. @throws ClipctlError STORAGE_* */
  async planPrune({ keep, maxAgeMs, signal, ...space }: PruneDemand): Promise<PrunePlan> {
    const survey = await this.#count(signal);
    const limits = await resolveLimits(this.#cacheDir, { ...this.#options, ...space });
    const neededBytes = missingSpace(limits, survey.ownBytes, 0);
    const now = await this.#options.clock.now();
    const age = maxAgeMs === undefined ? {} : { olderThanMs: now - maxAgeMs };
    return { ...(await this.#plan(survey, { neededBytes, keep, ...age })), survey, limits };
  }

  /** Carries a plan out, as far as it still holds. Gives what went. @throws ClipctlError STORAGE_* */
  prune({ victims }: EvictionPlan): Promise<SurveyedLayer[]> {
    return this.#evict({ victims });
  }

  /** Other processes add too: a figure is good for a while only. */
  async #ownBytes(signal: AbortSignal): Promise<number> {
    if (this.#knownBytes !== undefined && performance.now() - this.#countedAtMs < COUNT_EVERY_MS) return this.#knownBytes;
    return (await this.#count(signal)).ownBytes;
  }

  async #count(signal: AbortSignal): Promise<CacheSurvey> {
    const survey = await surveyCache(this.#cacheDir, { signal });
    this.#knownBytes = survey.ownBytes;
    this.#countedAtMs = performance.now();
    return survey;
  }

  async #plan(
    { layers }: CacheSurvey,
    demand: { readonly neededBytes: number; readonly keep?: ReadonlySet<ContentHash>; readonly olderThanMs?: number },
  ): Promise<EvictionPlan> {
    const { keep = new Set<ContentHash>(), ...rest } = demand;
    return planEviction({ layers, reasons: await this.#reasons(layers, keep), ...rest });
  }

  async #reasons(layers: readonly SurveyedLayer[], keep: ReadonlySet<ContentHash>): Promise<Map<ContentHash, KeepReason>> {
    const recentMs = this.#options.recentMs ?? RECENT_MS;
    const now = await this.#options.clock.now();
    const recent = layers.filter(({ lastUseMs }) => lastUseMs > now - recentMs).map(({ hash }) => hash);
    const reasons = new Map<ContentHash, KeepReason>();
    const add = (hashes: Iterable<ContentHash>, reason: KeepReason): void => {
      for (const hash of hashes) reasons.set(hash, reason);
    };
    add(recent, 'recent');
    add(await openLayers(), 'open');
    add(await readLeases(this.#cacheDir), 'leased');
    add(this.#options.lease.held, 'leased');
    add(await pinnedLayers(this.#cacheDir), 'pinned');
    add(keep, 'kept');
    return reasons;
  }

  async #evict({ victims }: Pick<EvictionPlan, 'victims'>): Promise<SurveyedLayer[]> {
    const readHeld = async (): Promise<Set<ContentHash>> =>
      new Set([...(await readLeases(this.#cacheDir)), ...(await pinnedLayers(this.#cacheDir))]);
    const gone = await evictLayers(this.#cacheDir, victims, { readHeld });
    const goneBytes = gone.reduce((sum, layer) => sum + layer.diskBytes, 0);
    if (this.#knownBytes !== undefined) this.#knownBytes = Math.max(0, this.#knownBytes - goneBytes);
    if (gone.length > 0) this.#options.onEvicted?.(gone);
    return gone;
  }
}

/** @throws ClipctlError STORAGE_* */
async function spaceOf(path: string): Promise<number> {
  try {
    return diskBytesOf(await lstat(path));
  } catch (error) {
    throw storageError(error, path, 'look at');
  }
}

interface NoRoom extends SpaceLimits {
  readonly requiredBytes: number;
  readonly ownBytes: number;
}

/** Says which of the two limits it is, what is needed and what there is. */
export function noRoom(cacheDir: string, facts: NoRoom, cause?: unknown): ClipctlError {
  const { requiredBytes, ownBytes, maxCacheBytes, minFreeBytes, freeBytes } = facts;
  const details = { path: cacheDir, neededBytes: requiredBytes, ownBytes, maxCacheBytes, minFreeBytes, freeBytes };
  const why = cause === undefined ? { details } : { details, cause };
  // What did not fit is known only as far as it came.
  const needed = cause === undefined ? `${requiredBytes} bytes needed` : `more than ${requiredBytes} bytes needed`;
  if (ownBytes + requiredBytes > maxCacheBytes) {
    const message = `the cache ${cacheDir} is full: ${needed}, ${Math.max(0, maxCacheBytes - ownBytes)} left of ${maxCacheBytes}; what is in use is not evicted`;
    return new ClipctlError('STORAGE_FULL', message, {
      ...why,
      hint: 'Raise --max-cache-size, or see with `clipctl cache du` what takes the space and let go of it: `clipctl cache unpin`, `clipctl cache prune`.',
    });
  }
  const message = `not enough space in ${cacheDir}: ${needed}, ${freeBytes ?? 0} free, of which ${minFreeBytes} stay free`;
  return new ClipctlError('STORAGE_FULL', message, {
    ...why,
    hint: 'Run `clipctl cache prune --max-size 0 --dry-run` to see what could go, lower --min-free, or choose another --cache-dir.',
  });
}
