/**
 * What goes so that something fits: what stopped transfers have left, oldest first, then layers by their last use, and where
 * that is not enough what running transfers keep to go on with.
 */
import type { LayerEviction } from './layer-eviction.ts';
import { noRoom, type PromisedToOthers } from './no-room.ts';
import type { OwnBytes } from './own-bytes.ts';
import { missingSpace, neededSpace, withMoreFree, type SpaceLimits } from './space-limits.ts';
import type { CacheSurvey } from './survey.ts';
import type { GrantedBytes } from './granted-bytes.ts';
import type { SeenTransfers } from './seen-transfers.ts';
import { giveUpSpools, spareBytesOf, type SpareSpool } from './spare-spools.ts';
import type { StoppedTransfers } from './stopped-transfers.ts';
import { freeableBytesOf } from './transfer-usage.ts';

export interface RoomParts {
  readonly own: OwnBytes;
  readonly eviction: LayerEviction;
  readonly granted: GrantedBytes;
  readonly seen: SeenTransfers;
  readonly stopped: StoppedTransfers;
}

/** What the limits are held against. */
export interface Situation {
  readonly limits: SpaceLimits;
  readonly ownBytes: number;
  /** Of running transfers; none where they are not to be given up. */
  readonly spools?: readonly SpareSpool[];
  /** Counted as taken, and not on disk yet. */
  readonly promised?: PromisedToOthers;
}

export interface Incoming {
  readonly incomingBytes: number;
  /** What has to fit at least; undefined: nothing is refused. */
  readonly requiredBytes?: number;
  /** To be gained whatever the limits say. Default 0. */
  readonly leastBytes?: number;
  /** More than is required may be needed: nobody knows yet. */
  readonly isOpenEnd?: boolean;
}

export interface Freed extends Situation {
  readonly freedBytes: number;
}

export class RoomMaker {
  readonly #cacheDir: string;
  readonly #parts: RoomParts;

  constructor(cacheDir: string, parts: RoomParts) {
    this.#cacheDir = cacheDir;
    this.#parts = parts;
  }

  /**
   * Lets go until what comes fits, as far as anything may go. Nothing goes in vain.
   * @throws ClipctlError STORAGE_FULL when what is required can't fit, whatever goes; STORAGE_*
   */
  async free(survey: CacheSurvey, before: Situation, incoming: Incoming): Promise<Freed> {
    const { own, eviction } = this.#parts;
    const neededBytes = needed(before, incoming);
    const stopped = await this.#parts.stopped.list();
    const plan = await eviction.plan(survey, { neededBytes });
    const spared = await this.#giveUp(before, incoming, plan.freedBytes + freeableBytesOf(stopped));
    const clearedBytes = await this.#parts.stopped.clear(stopped, neededBytes);
    const cleared = after(spared, clearedBytes);
    const left = clearedBytes === 0 && spared === before ? neededBytes : needed(cleared, incoming, clearedBytes);
    const gone = await eviction.carryOut(clearedBytes === 0 ? plan : await eviction.plan(survey, { neededBytes: left }));
    const goneBytes = gone.reduce((sum, layer) => sum + layer.diskBytes, 0);
    own.add(-clearedBytes - goneBytes);
    return { ...after(cleared, goneBytes), freedBytes: clearedBytes + goneBytes };
  }

  /** Spools, for what does not fit otherwise. @throws ClipctlError STORAGE_FULL when it does not fit without them either */
  async #giveUp(before: Situation, incoming: Incoming, gainBytes: number): Promise<Situation> {
    const { limits, ownBytes, promised, spools = [] } = before;
    const told = promised && { promised };
    const { requiredBytes } = incoming;
    const without = { limits: withMoreFree(limits, spareBytesOf(spools)), ownBytes, ...told };
    this.require(without, incoming, gainBytes);
    const shortBytes = requiredBytes === undefined ? 0 : missingSpace(limits, ownBytes, requiredBytes) - gainBytes;
    if (shortBytes <= 0) return before;
    return { ...told, ownBytes, limits: withMoreFree(limits, await giveUpSpools(spools, shortBytes)) };
  }

  /** @throws ClipctlError STORAGE_FULL when what is required does not fit with so much gained */
  require({ limits, ownBytes, promised }: Situation, { requiredBytes, isOpenEnd }: Incoming, gainBytes = 0): void {
    const missingBytes = requiredBytes === undefined ? 0 : missingSpace(limits, ownBytes, requiredBytes) - gainBytes;
    if (requiredBytes === undefined || missingBytes <= 0) return;
    const isForNow = promised !== undefined && missingBytes <= promised.bytes;
    throw noRoom(this.#cacheDir, {
      ...limits,
      requiredBytes,
      ownBytes,
      ...(isOpenEnd && { isOpenEnd }),
      ...(isForNow && { promised }),
    });
  }
}

function needed({ limits, ownBytes }: Situation, { incomingBytes, leastBytes = 0 }: Incoming, gainedBytes = 0): number {
  return Math.max(leastBytes - gainedBytes, neededSpace(limits, ownBytes, incomingBytes));
}

function after({ limits, ownBytes, promised }: Situation, goneBytes: number): Situation {
  return { limits: withMoreFree(limits, goneBytes), ownBytes: ownBytes - goneBytes, ...(promised && { promised }) };
}
