/**
 * Who is let in, one at a time in all processes, so that no two take the same room: a layer before it comes and, where its
 * size is unknown, while it grows. What was let in may get its name: that adds nothing.
 */
import { errorCodeOf } from '../../errors.ts';
import { parseContentHash } from '../../oci/digest.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { LayerTurns } from './lock/layer-turns.ts';
import type { LockHolder } from './lock/lock-holder.ts';
import type { RoomMaker, RoomParts, Situation } from './room-maker.ts';
import { missingSpace, roomLeft, withMoreFree, type SpaceLimits } from './space-limits.ts';
import { ownInodes, type CacheSurvey } from './survey.ts';
import { besides, type OtherTransfers } from './seen-transfers.ts';

export interface AdmissionOptions extends RoomParts {
  readonly maker: RoomMaker;
  readonly limits: () => Promise<SpaceLimits>;
  /** The locks between processes. */
  readonly turns: LayerTurns;
  readonly onWait: AdmissionWait | undefined;
}

/** Told whom we wait for, in another process. */
export type AdmissionWait = (holder: LockHolder | undefined) => void;

/** A layer that is about to come, or to become larger than it may. */
export interface Growth {
  /** Its temporary file. */
  readonly path: string;
  /** So large at least. */
  readonly endBytes: number;
  /** And no larger. */
  readonly isWhole?: boolean;
  /** It does not fit: gives back what it has, before anybody else may ask. */
  readonly onRefused?: () => Promise<void>;
  readonly signal: AbortSignal;
}

const MIB = 1024 * 1024;
/** Of the cap; no more is let in, in all, by a figure that other processes may have made wrong meanwhile. */
const SMALL_SHARE = 1 / 64;
/** Of the cap; as much at least is left to other processes, which let in like that, too. */
const FAR_SHARE = 1 / 8;
/** A layer asks again when it has grown by so much, or by a small share of the cap. */
const LARGEST_STEP_BYTES = 256 * MIB;
/** Small, for what is granted and never taken keeps others out near a limit. */
const SMALLEST_STEP_BYTES = 64 * 1024;
/** Of what is left: several grow at once. */
const STEP_SHARE = 1 / 4;
/** Of what one process may let in by itself: many layers may be coming. */
const FAR_STEP_SHARE = 1 / 32;
/** Who is let in is through in less. */
const TELL_AFTER_MS = 1000;
/** The lock of those who are let in: it is named like one of a layer, and of none. */
const ADMISSION = parseContentHash('0'.repeat(64), 'lock');

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #turns = new KeyedTurns();
  /** Let in without a look at what others were promised, since we last had one: how large they may get, by their paths. */
  readonly #unseen = new Map<string, number>();
  /** And what came of those that have ended. */
  #unseenBytes = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Gives how large a layer may get before it asks again: `endBytes` at least. All transfers count; what may go goes.
   * @throws ClipctlError STORAGE_FULL when it does not fit, STORAGE_*
   */
  async grow(growth: Growth): Promise<number> {
    return (
      (await this.#growthByFar(growth)) ??
      (await this.#turns.run('', () => this.#alone(growth.signal, () => this.#letGrow(growth))))
    );
  }

  /** Nothing more of it comes; so much is there. */
  end(path: string, addedBytes: number): void {
    this.#options.own.add(addedBytes);
    if (this.#unseen.delete(path)) this.#unseenBytes += addedBytes;
  }

  /** No other process lets anybody in meanwhile. */
  #alone<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    const { turns, onWait } = this.#options;
    const options = { signal, tellAfterMs: TELL_AFTER_MS, ...(onWait && { onWait }) };
    return turns.run(ADMISSION, options, () => {
      this.#unseen.clear();
      this.#unseenBytes = 0;
      return action();
    });
  }

  /** Where the limits are far away, nobody needs to wait for anybody; for a while. */
  async #growthByFar({ path, endBytes, isWhole = false, signal }: Growth): Promise<number | undefined> {
    const limits = await this.#options.limits();
    const ownBytes = await this.#options.own.readAtMost(limits, signal);
    const { processes, promisedBytes } = await this.#options.seen.ofOtherProcesses();
    const mostBytes = limits.maxCacheBytes * SMALL_SHARE;
    const end = isWhole ? endBytes : endBytes + boundedStep(mostBytes * FAR_STEP_SHARE);
    const others = [...this.#unseen].reduce((sum, [its, bytes]) => sum + (its === path ? 0 : bytes), this.#unseenBytes);
    if (others + end > mostBytes) return undefined;
    // What is on disk already counts twice.
    const comingBytes = others + end + promisedBytes + farBytesOf(limits, processes);
    if (missingSpace(limits, ownBytes, comingBytes) > 0) return undefined;
    this.#unseen.set(path, end);
    return this.#grant(path, end);
  }

  async #letGrow({ path, endBytes, isWhole = false, onRefused, signal }: Growth): Promise<number> {
    const { own, maker } = this.#options;
    // One behind the other: what grows between them is promised still, and not free any more.
    const seen = await this.#options.seen.all();
    const limits = await this.#options.limits();
    const survey = await own.count(signal);
    const before = situation(limits, survey, besides(path, seen, ownInodes(survey.layers)));
    const left = roomLeft(before.limits, before.ownBytes) - endBytes;
    if (left >= (isWhole ? 0 : SMALLEST_STEP_BYTES))
      return this.#grant(path, isWhole ? endBytes : endBytes + stepWithin(before.limits, left));
    const wished = isWhole ? endBytes : endBytes + stepWithin(before.limits, Infinity);
    const incoming = { incomingBytes: wished, requiredBytes: endBytes, isOpenEnd: !isWhole };
    try {
      const freed = await maker.free(survey, before, incoming);
      maker.require(freed, incoming);
      return await this.#grant(path, Math.min(wished, roomLeft(freed.limits, freed.ownBytes)));
    } catch (error) {
      if (errorCodeOf(error) !== 'STORAGE_FULL') throw error;
      await onRefused?.();
      await this.#grant(path, 0);
      throw error;
    }
  }

  async #grant(path: string, bytes: number): Promise<number> {
    await this.#options.granted.grant(path, bytes);
    return bytes;
  }
}

/** As if the layer itself were not there yet, and what was promised to the others were. */
function situation(limits: SpaceLimits, survey: CacheSurvey, others: OtherTransfers): Situation {
  return {
    ownBytes: survey.ownBytes - survey.ingestBytes + others.takenBytes,
    limits: withMoreFree(limits, others.ownLayerBytes - others.promisedBytes),
  };
}

/** What all processes together may let in by themselves. */
function farBytesOf({ maxCacheBytes }: SpaceLimits, processes: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, maxCacheBytes * Math.max(FAR_SHARE, processes * SMALL_SHARE));
}

function stepWithin({ maxCacheBytes }: SpaceLimits, leftBytes: number): number {
  return boundedStep(Math.min(maxCacheBytes * SMALL_SHARE, leftBytes * STEP_SHARE));
}

function boundedStep(bytes: number): number {
  return Math.min(LARGEST_STEP_BYTES, Math.max(SMALLEST_STEP_BYTES, Math.floor(bytes)));
}
