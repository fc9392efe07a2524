/** Where the limits are far away nobody needs to wait for anybody: what a process lets in by itself, for a while. */
import { dirname } from 'node:path';
import type { GrantedBytes } from './granted-bytes.ts';
import type { OwnBytes } from './own-bytes.ts';
import type { SeenTransfers } from './seen-transfers.ts';
import { boundedStep, SMALL_SHARE } from './growth-step.ts';
import { missingSpace, withMoreFree, type SpaceLimits } from './space-limits.ts';

/** Of the cap; as much at least is left to other processes, which let in like that, too. */
const FAR_SHARE = 1 / 8;
/** Of what one process may let in by itself: many layers may be coming. */
const FAR_STEP_SHARE = 1 / 32;

export interface FarRoomOptions {
  readonly own: OwnBytes;
  readonly seen: SeenTransfers;
  readonly granted: GrantedBytes;
  readonly limits: () => Promise<SpaceLimits>;
}

export interface FarGrowth {
  /** A file of a transfer. */
  readonly path: string;
  readonly endBytes: number;
  readonly isWhole: boolean;
  /** It goes at the commit: the cap does not count it. */
  readonly isBeside: boolean;
  readonly signal: AbortSignal;
}

export class FarRoom {
  readonly #options: FarRoomOptions;
  /** Let in without a look at what others were promised, since we last had one: how large they may get, by their paths. */
  readonly #unseen = new Map<string, number>();
  /** And what came of those that have ended. */
  #unseenBytes = 0;

  constructor(options: FarRoomOptions) {
    this.#options = options;
  }

  /** Gives how large the file may get; `undefined` = a limit may be near. */
  async find({ path, endBytes, isWhole, isBeside, signal }: FarGrowth): Promise<number | undefined> {
    const { own, seen, granted } = this.#options;
    const limits = await this.#options.limits();
    const mostBytes = limits.maxCacheBytes * SMALL_SHARE;
    const end = isWhole ? endBytes : endBytes + boundedStep(mostBytes * FAR_STEP_SHARE);
    const others = [...this.#unseen].reduce((sum, [its, bytes]) => sum + (its === path ? 0 : bytes), this.#unseenBytes);
    if (others + end > mostBytes) return undefined;
    const ownBytes = isBeside ? 0 : await own.readAtMost(limits, signal);
    const theirs = await seen.ofOtherProcesses();
    // What is on disk already counts twice.
    const comingBytes = others + end + theirs.promisedBytes + farBytesOf(limits, theirs.processes);
    const held = isBeside ? { ...limits, maxCacheBytes: Infinity } : limits;
    const free = withMoreFree(held, -theirs.besideBytes - granted.besideBytes());
    if (missingSpace(free, ownBytes, comingBytes) > 0) return undefined;
    this.#unseen.set(path, end);
    return end;
  }

  /** Nothing more of the layer comes; so much is there. */
  end(path: string, addedBytes: number): void {
    if (this.#unseen.has(path)) this.#unseenBytes += addedBytes;
    for (const its of this.#unseen.keys()) if (dirname(its) === dirname(path)) this.#unseen.delete(its);
  }

  /** We have the lock: what was let in is looked at from now on. */
  forget(): void {
    this.#unseen.clear();
    this.#unseenBytes = 0;
  }
}

/** What all processes together may let in by themselves. */
function farBytesOf({ maxCacheBytes }: SpaceLimits, processes: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, maxCacheBytes * Math.max(FAR_SHARE, processes * SMALL_SHARE));
}
