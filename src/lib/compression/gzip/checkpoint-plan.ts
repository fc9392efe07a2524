import type { Checkpoint } from '../decoder.ts';

export const DEFAULT_CHECKPOINT_INTERVAL_BYTES = 4 * 1024 * 1024;

/** Starts of members cost no window, so they are listed this much closer. */
const MEMBER_STARTS_PER_INTERVAL = 16;

/**
 * Which places of a layer become checkpoints. That depends on the layer alone, on how its output falls against multiples
 * of the interval, never on the pieces it came in:
 *
 * - the first boundary between blocks at or behind each multiple of the interval;
 * - when a block goes on for a whole interval behind such a multiple, the first boundary between symbols there;
 * - the first start of a member at or behind each multiple of a sixteenth of the interval. So a list is bounded by
 *   the output: a layer of 100,000 empty members has one checkpoint.
 *
 * A checkpoint of any kind serves all multiples before it.
 */
export class CheckpointPlan {
  readonly #intervalBytes: number;
  readonly #memberIntervalBytes: number;
  readonly #list: Checkpoint[] = [];
  /** The next boundary between blocks at or behind this uncompressed offset is a checkpoint. */
  boundaryDue = Infinity;
  insideDue = Infinity;
  #memberDue = 0;

  /** @param intervalBytes of output; 0 for no checkpoint but the start of the layer */
  constructor(intervalBytes: number) {
    this.#intervalBytes = intervalBytes > 0 ? intervalBytes : Infinity;
    this.#memberIntervalBytes = Math.max(1, Math.floor(this.#intervalBytes / MEMBER_STARTS_PER_INTERVAL));
  }

  get checkpoints(): readonly Checkpoint[] {
    return this.#list;
  }

  isMemberStartDue(uncompressedOffset: number): boolean {
    return uncompressedOffset >= this.#memberDue;
  }

  add(checkpoint: Checkpoint): void {
    this.#list.push(checkpoint);
    this.boundaryDue = nextMultiple(this.#intervalBytes, checkpoint.uncompressedOffset);
    this.insideDue = this.boundaryDue + this.#intervalBytes;
    this.#memberDue = Math.min(this.boundaryDue, nextMultiple(this.#memberIntervalBytes, checkpoint.uncompressedOffset));
  }

  /** Gives the last checkpoint its window, which takes shape only while the output behind it is decoded. */
  completeLast(window: Uint8Array): void {
    const last = this.#list.pop();
    if (last !== undefined) this.#list.push({ ...last, window });
  }
}

function nextMultiple(step: number, behind: number): number {
  return step === Infinity ? Infinity : (Math.floor(behind / step) + 1) * step;
}
