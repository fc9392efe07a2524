/** Room in the cache directory: what has to go before a layer may come, while it comes, and after it has. */
import type { ClipctlError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { Admission, type AdmissionWait, type BesideGrowth, type Growth } from './admission.ts';
import type { EvictionPlan } from './eviction-plan.ts';
import { GrantedBytes } from './granted-bytes.ts';
import { LayerEviction, type EvictionOptions } from './layer-eviction.ts';
import type { LayerTurns } from './lock/layer-turns.ts';
import { noRoom } from './no-room.ts';
import { OwnBytes } from './own-bytes.ts';
import { RoomMaker, type RoomParts } from './room-maker.ts';
import { besides, SeenTransfers } from './seen-transfers.ts';
import { missingSpace, resolveLimits, withMoreFree, type SpaceLimits, type SpaceOptions } from './space-limits.ts';
import { StoppedTransfers } from './stopped-transfers.ts';
import type { CacheSurvey, SurveyedLayer } from './survey.ts';

export interface RoomOptions extends SpaceOptions, EvictionOptions {
  /** The locks between processes. */
  readonly turns: LayerTurns;
  /** Hears whom we wait for, when that is long, to be let in. */
  readonly onWait?: AdmissionWait;
}

export interface RoomDemand {
  /** What will certainly come, in bytes. */
  readonly requiredBytes: number;
  readonly signal?: AbortSignal;
}

export interface GainDemand extends RoomDemand {
  readonly leastBytes: number;
  /** What will come by all that is known; default: what is required. */
  readonly expectedBytes?: number;
}

/** What is known of a layer before it comes. */
export interface KnownSize {
  /** Decompressed. */
  readonly sizeBytes?: number;
  /** It won't be less: the compressed size. */
  readonly atLeastBytes?: number;
  readonly signal?: AbortSignal;
}

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
  readonly #parts: RoomParts;
  readonly #maker: RoomMaker;
  readonly #admission: Admission;

  constructor(cacheDir: string, options: RoomOptions) {
    this.#cacheDir = cacheDir;
    this.#options = options;
    const limits = (): Promise<SpaceLimits> => this.limits();
    const granted = new GrantedBytes();
    const { lease, turns } = options;
    this.#parts = {
      own: new OwnBytes(cacheDir, limits),
      eviction: new LayerEviction(cacheDir, options),
      granted,
      seen: new SeenTransfers(cacheDir, { granted, lease }),
      stopped: new StoppedTransfers(cacheDir, { granted, lease, lockKind: turns.kind }),
    };
    this.#maker = new RoomMaker(cacheDir, this.#parts);
    this.#admission = new Admission({ ...this.#parts, maker: this.#maker, limits, turns, onWait: options.onWait });
  }

  limits(): Promise<SpaceLimits> {
    return resolveLimits(this.#cacheDir, this.#options);
  }

  /**
   * Lets go until what comes fits under both limits. What is left of an earlier transfer of it is a part of it.
   * @throws ClipctlError STORAGE_FULL when what is required can't fit, whatever goes
   */
  async make({ requiredBytes, signal = NEVER }: RoomDemand): Promise<void> {
    const { own, stopped, seen } = this.#parts;
    const limits = await this.limits();
    const incoming = { incomingBytes: requiredBytes, requiredBytes };
    if (missingSpace(limits, await own.read(signal), requiredBytes) === 0) return;
    const survey = await own.count(signal);
    const keptBytes = await stopped.resumableBytes();
    const { spools } = besides('', await seen.all(), new Set());
    const before = { limits: withMoreFree(limits, keptBytes), ownBytes: survey.ownBytes - keptBytes, spools };
    this.#maker.require(await this.#maker.free(survey, before, incoming), incoming);
  }

  /**
   * Makes room for what did not fit although the limits held; of it, `leastBytes` come from what goes. False: nothing may go
   * that helps.
   * @throws ClipctlError STORAGE_FULL when what is required can't fit, whatever goes
   */
  async gain({ requiredBytes, expectedBytes = requiredBytes, leastBytes, signal = NEVER }: GainDemand): Promise<boolean> {
    const limits = await this.limits();
    const survey = await this.#parts.own.count(signal);
    const before = { limits, ownBytes: survey.ownBytes };
    const missing = missingSpace(limits, survey.ownBytes, expectedBytes);
    const freed = await this.#maker.free(survey, before, { incomingBytes: expectedBytes, requiredBytes, leastBytes });
    return Math.max(missing, leastBytes) === 0 || freed.freedBytes > 0;
  }

  /** What is said where more than `requiredBytes` would not fit. */
  async refusal(requiredBytes: number, cause: unknown): Promise<ClipctlError> {
    const ownBytes = await this.#parts.own.read(NEVER);
    return noRoom(this.#cacheDir, { ...(await this.limits()), requiredBytes, ownBytes }, cause);
  }

  /**
   * Books what is known of a layer that is about to come to `path`, until its end. Gives how large it may get before it asks
   * for more. What is left there of an earlier transfer is a part of it, and stays when the rest does not fit.
   * @throws ClipctlError STORAGE_*
   */
  async begin(path: string, { sizeBytes, atLeastBytes = 0, signal = NEVER }: KnownSize): Promise<number> {
    const endBytes = sizeBytes ?? atLeastBytes;
    this.#parts.granted.begin(path);
    if (endBytes === 0) return 0;
    return this.#admission.grow({ path, endBytes, isWhole: sizeBytes !== undefined, signal });
  }

  /** It is complete: books what came without being granted, if anything. @throws ClipctlError STORAGE_* */
  async complete(growth: Growth): Promise<void> {
    if (growth.endBytes > this.#parts.granted.of(growth.path)) await this.#admission.grow({ ...growth, isWhole: true });
  }

  /** See {@link Admission.grow}. @throws ClipctlError STORAGE_* */
  grow(growth: Growth): Promise<number> {
    return this.#admission.grow(growth);
  }

  /** See {@link Admission.growBeside}. @throws ClipctlError STORAGE_* */
  growBeside(growth: BesideGrowth): Promise<boolean> {
    return this.#admission.growBeside(growth);
  }

  /** Nothing more of it comes; so much of it is there for good, in bytes. */
  end(path: string, addedBytes = 0): Promise<void> {
    this.#admission.end(path, addedBytes);
    return this.#parts.granted.end(path);
  }

  /** After a commit: keeps below the limits, as far as nobody needs what would have to go. */
  async settle({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { own } = this.#parts;
    const limits = await this.limits();
    if (missingSpace(limits, await own.read(signal), 0) === 0) return;
    const survey = await own.count(signal);
    await this.#maker.free(survey, { limits, ownBytes: survey.ownBytes }, { incomingBytes: 0 });
  }

  /** What would go to get under these limits, without slack. Evicts nothing. @throws ClipctlError STORAGE_* */
  async planPrune({ keep, maxAgeMs, signal, ...space }: PruneDemand): Promise<PrunePlan> {
    const survey = await this.#parts.own.count(signal);
    const limits = await resolveLimits(this.#cacheDir, { ...this.#options, ...space });
    const neededBytes = missingSpace(limits, survey.ownBytes, 0);
    const now = await this.#options.clock.now();
    const age = maxAgeMs === undefined ? {} : { olderThanMs: now - maxAgeMs };
    return { ...(await this.#parts.eviction.plan(survey, { neededBytes, keep, ...age })), survey, limits };
  }

  /** Carries a plan out, as far as it still holds. Gives what went. @throws ClipctlError STORAGE_* */
  async prune(plan: EvictionPlan): Promise<SurveyedLayer[]> {
    const gone = await this.#parts.eviction.carryOut(plan);
    this.#parts.own.add(-gone.reduce((sum, layer) => sum + layer.diskBytes, 0));
    return gone;
  }
}
