/** What is said when something does not fit into the cache directory. */
import { ClipctlError } from '../../errors.ts';
import type { SpaceLimits } from './space-limits.ts';

interface NoRoom extends SpaceLimits {
  readonly requiredBytes: number;
  readonly ownBytes: number;
  /** More may be needed: nobody knows yet. */
  readonly isOpenEnd?: boolean;
}

/** Says which of the two limits it is, what is needed and what there is. */
export function noRoom(cacheDir: string, facts: NoRoom, cause?: unknown): ClipctlError {
  const { requiredBytes, ownBytes, maxCacheBytes, minFreeBytes, freeBytes, isOpenEnd = cause !== undefined } = facts;
  const details = { path: cacheDir, neededBytes: requiredBytes, ownBytes, maxCacheBytes, minFreeBytes, freeBytes };
  const why = cause === undefined ? { details } : { details, cause };
  // What did not fit is known only as far as it came.
  const needed = `${isOpenEnd ? 'more than ' : ''}${requiredBytes} bytes needed`;
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
