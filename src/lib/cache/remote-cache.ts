/** A driver as a run uses it: counted, in its mode, behind a breaker, with retries. */
import type { RetryPolicy } from '../http/retry.ts';
import { withAccessMode, type AccessMode } from './access-mode.ts';
import { accountedCache, countRequests, newCounters, type RemoteCounters } from './accounting.ts';
import type { ContentCache } from './content-cache.ts';
import { retryingCache } from './retrying.ts';
import { sealErrors } from './sealed-errors.ts';
import { newBreakers, withBreaker, type BreakerUse } from './with-breaker.ts';

export interface RemoteCache extends ContentCache {
  readonly mode: AccessMode;
  /** Of this run; they go on counting. */
  readonly counters: Readonly<RemoteCounters>;
}

/** What a run wants of a remote. */
export interface RemoteUse extends BreakerUse {
  readonly mode?: AccessMode;
}

export interface RemoteCacheOptions extends RemoteUse {
  readonly policy: RetryPolicy;
}

/** accounting(mode(breaker(retry(driver)))): one pair of breakers and one set of counters for all layers of a run. */
export function remoteCacheOf(driver: ContentCache, { policy, mode = 'rw', isMended = false }: RemoteCacheOptions): RemoteCache {
  const counters = newCounters();
  const retried = retryingCache(sealErrors(countRequests(driver, counters)), policy);
  const guarded = withBreaker(retried, newBreakers(driver.url), { isMended });
  const accounted = accountedCache(withAccessMode(guarded, mode), counters);
  return Object.defineProperties({ mode, counters } as RemoteCache, Object.getOwnPropertyDescriptors(accounted));
}
