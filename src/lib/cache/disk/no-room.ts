/** What is said when something does not fit into the cache directory. */
import { ClipctlError, type ErrorDetails } from '../../errors.ts';
import type { SpaceLimits } from './space-limits.ts';

/** What other layers under way may still take, in this process and in others. */
export interface PromisedToOthers {
  readonly bytes: number;
  readonly layers: number;
}

interface NoRoom extends SpaceLimits {
  readonly requiredBytes: number;
  readonly ownBytes: number;
  /** More may be needed: nobody knows yet. */
  readonly isOpenEnd?: boolean;
  /** Without that it would fit. */
  readonly promised?: PromisedToOthers;
}

/** Says which of the two limits it is, what is needed and what there is. */
export function noRoom(cacheDir: string, facts: NoRoom, cause?: unknown): ClipctlError {
  const { requiredBytes, ownBytes, maxCacheBytes, minFreeBytes, freeBytes, isOpenEnd = cause !== undefined, promised } = facts;
  const details = {
    path: cacheDir,
    neededBytes: requiredBytes,
    ownBytes,
    maxCacheBytes,
    minFreeBytes,
    freeBytes,
    ...promisedDetails(promised),
  };
  const why = cause === undefined ? { details } : { details, cause };
  // What did not fit is known only as far as it came.
  const needed = `${isOpenEnd ? 'more than ' : ''}${requiredBytes} bytes needed`;
  if (promised !== undefined) return noRoomForNow(cacheDir, { needed, promised, why });
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

interface ForNow {
  readonly needed: string;
  readonly promised: PromisedToOthers;
  readonly why: ErrorOptions & { readonly details: ErrorDetails };
}

/** Nothing that is there is in the way, and what is promised may turn out not to be needed. */
function noRoomForNow(cacheDir: string, { needed, promised: { bytes, layers }, why }: ForNow): ClipctlError {
  const others = layers === 1 ? '1 other layer' : `${layers} other layers`;
  const message = `no room in ${cacheDir} for now: ${needed}, and ${bytes} bytes are promised to ${others} under way`;
  return new ClipctlError('STORAGE_FULL', message, {
    ...why,
    hint: 'Try again when they have ended, raise --max-cache-size, or lower --min-free.',
  });
}

function promisedDetails(promised: PromisedToOthers | undefined): ErrorDetails {
  return promised === undefined ? {} : { promisedBytes: promised.bytes, promisedLayers: promised.layers };
}
