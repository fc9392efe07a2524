/** A driver as a run uses it: counted, in its mode, guarded, with retries. */
import type { RetryPolicy } from '../http/retry.ts';
import { withAccessMode, type AccessMode } from './access-mode.ts';
import { accountedCache, countRequests, newCounters, type RemoteCounters } from './accounting.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import type { ContentCache } from './content-cache.ts';
import { guardedCache } from './guarded.ts';
import { RemotePatience, type PatienceLimits } from './remote-patience.ts';
import { retryingCache } from './retrying.ts';
import { sealErrors } from './sealed-errors.ts';

export interface RemoteCache extends ContentCache {
  readonly mode: AccessMode;
  /** Of this run; they go on counting. */
  readonly counters: Readonly<RemoteCounters>;
}

export interface RemoteCacheOptions {
  readonly policy: RetryPolicy;
  /** No byte for so long: the driver's client gives up by itself. */
  readonly timeoutMs: number;
  readonly mode?: AccessMode;
  readonly patience?: PatienceLimits;
}

/** accounting(mode(guard(retry(driver)))): one breaker and one set of counters for all layers of a run. */
export function remoteCacheOf(driver: ContentCache, options: RemoteCacheOptions): RemoteCache {
  const { policy, timeoutMs, mode = 'rw' } = options;
  const counters = newCounters();
  const patience = new RemotePatience(options.patience);
  const breaker = new CircuitBreaker(driver.url, patience);
  const retried = retryingCache(sealErrors(countRequests(driver, counters)), policy);
  const guarded = guardedCache(retried, { breaker, patience, timeoutMs });
  return Object.assign(accountedCache(withAccessMode(guarded, mode), counters), { mode, counters });
}
