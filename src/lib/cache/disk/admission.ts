/**
 * Who is let in, one at a time in all processes, so that no two take the same room: a layer before it comes and, where its
 * size is unknown, while it grows. What was let in may get its name: that adds nothing.
 */
import { lstat } from 'node:fs/promises';
import { errorCodeOf } from '../../errors.ts';
import { parseContentHash } from '../../oci/digest.ts';
import { diskBytesOf } from './disk-usage.ts';
import { FarRoom } from './far-room.ts';
import { SMALLEST_STEP_BYTES, stepWithin } from './growth-step.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { LayerTurns } from './lock/layer-turns.ts';
import type { LockHolder } from './lock/lock-holder.ts';
import type { RoomMaker, RoomParts, Situation } from './room-maker.ts';
import { besides, promisedBesides, type OtherTransfers } from './seen-transfers.ts';
import { roomLeft, withMoreFree, type SpaceLimits } from './space-limits.ts';
import { ownInodes, type CacheSurvey } from './survey.ts';

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

/** What is to come beside a layer, to go on with: it goes at the commit. */
export type BesideGrowth = Pick<Growth, 'path' | 'endBytes' | 'signal'>;

/** Who is let in is through in less. */
const TELL_AFTER_MS = 1000;
/** The lock of those who are let in: it is named like one of a layer, and of none. */
const ADMISSION = parseContentHash('0'.repeat(64), 'lock');

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #turns = new KeyedTurns();
  readonly #far: FarRoom;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#far = new FarRoom(options);
  }

  /**
   * Gives how large a layer may get before it asks again: `endBytes` at least. All transfers count; what may go goes.
   * @throws ClipctlError STORAGE_FULL when it does not fit, STORAGE_*
   */
  async grow(growth: Growth): Promise<number> {
    const { path, isWhole = false } = growth;
    const farBytes = await this.#far.find({ ...growth, isWhole, isBeside: false });
    if (farBytes !== undefined) return this.#grant(path, farBytes);
    return this.#turns.run('', () => this.#alone(growth.signal, () => this.#letGrow(growth)));
  }

  /** Whether there is so much room beside layers. Nothing goes for it, and the cap does not count it. @throws ClipctlError STORAGE_* */
  async growBeside(growth: BesideGrowth): Promise<boolean> {
    const farBytes = await this.#far.find({ ...growth, isWhole: true, isBeside: true });
    if (farBytes === undefined) return this.#turns.run('', () => this.#alone(growth.signal, () => this.#letGrowBeside(growth)));
    await this.#grant(growth.path, farBytes);
    return true;
  }

  /** Nothing more of the layer comes; so much is there. */
  end(path: string, addedBytes: number): void {
    this.#options.own.add(addedBytes);
    this.#far.end(path, addedBytes);
  }

  /** No other process lets anybody in meanwhile. */
  #alone<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    const { turns, onWait } = this.#options;
    const options = { signal, tellAfterMs: TELL_AFTER_MS, ...(onWait && { onWait }) };
    return turns.run(ADMISSION, options, () => {
      this.#far.forget();
      return action();
    });
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

  async #letGrowBeside({ path, endBytes }: BesideGrowth): Promise<boolean> {
    const seen = await this.#options.seen.all();
    const { freeBytes = Infinity, minFreeBytes } = await this.#options.limits();
    const there = await diskBytesAt(path);
    if (freeBytes - minFreeBytes - promisedBesides(path, seen) + there < endBytes) return false;
    await this.#grant(path, endBytes);
    return true;
  }

  async #grant(path: string, bytes: number): Promise<number> {
    await this.#options.granted.grant(path, bytes);
    return bytes;
  }
}

async function diskBytesAt(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined);
  return stats === undefined ? 0 : diskBytesOf(stats);
}

/** As if the layer itself were not there yet, and what was promised to the others were. */
function situation(limits: SpaceLimits, survey: CacheSurvey, others: OtherTransfers): Situation {
  return {
    ownBytes: survey.ownBytes - survey.ingestBytes + others.takenBytes,
    limits: withMoreFree(limits, others.ownLayerBytes - others.promisedBytes - others.besideBytes),
    spools: others.spools,
    promised: { bytes: others.promisedBytes, layers: others.promisedLayers },
  };
}
