/** How much more than it needs a layer of unknown size is granted: it asks again when it has grown by so much. */
import type { SpaceLimits } from './space-limits.ts';

const MIB = 1024 * 1024;
/** Of the cap; no more is let in, in all, by a figure that other processes may have made wrong meanwhile. */
export const SMALL_SHARE = 1 / 64;
const LARGEST_STEP_BYTES = 256 * MIB;
/** Small, for what is granted and never taken keeps others out near a limit. */
export const SMALLEST_STEP_BYTES = 64 * 1024;
/** Of what is left: several grow at once. */
const STEP_SHARE = 1 / 4;

export function stepWithin({ maxCacheBytes }: SpaceLimits, leftBytes: number): number {
  return boundedStep(Math.min(maxCacheBytes * SMALL_SHARE, leftBytes * STEP_SHARE));
}

export function boundedStep(bytes: number): number {
  return Math.min(LARGEST_STEP_BYTES, Math.max(SMALLEST_STEP_BYTES, Math.floor(bytes)));
}
