/**
 * A content cache whose calls are tried again as http/retry.ts has it. A stream that breaks half-way is not resumed: the
 * next tier serves. A driver whose client retries by itself throws errors that are not retryable.
 */
import { withRetry, type RetryPolicy } from '../http/retry.ts';
import type { ContentCache, StoreResult } from './content-cache.ts';
import { intercept, type WriteCall } from './intercept.ts';
import { failureTap } from './tapped-source.ts';

/** A lookup that needs more tries than this is answered faster by the next tier. */
const MAX_LOOKUP_RETRIES = 2;

export function retryingCache(inner: ContentCache, policy: RetryPolicy): ContentCache {
  const what = `remote cache ${inner.url}`;
  const lookups: RetryPolicy = { ...policy, retries: Math.min(policy.retries, MAX_LOOKUP_RETRIES) };
  return intercept(inner, {
    look: (signal, call) => withRetry({ what, policy: lookups, signal }, () => call(signal)),
    read: (signal, open) => withRetry({ what, policy: lookups, signal }, () => open(signal)),
    write: (call) => retryWrite(call, { what, policy }),
  });
}

async function retryWrite<T extends Pick<StoreResult, 'sentBytes'>>(
  { signal, isRepeatable, send }: WriteCall<T>,
  { what, policy }: { readonly what: string; readonly policy: RetryPolicy },
): Promise<T> {
  if (!isRepeatable) return send({ signal });
  const source = failureTap();
  const outcome = await withRetry({ what, policy, signal }, async () => {
    try {
      return { result: await send({ signal, tap: source.tap }) };
    } catch (error) {
      // What the source threw is no failure of the remote: the same bytes would not come the next time either.
      if (source.failure === undefined) throw error;
      return { error };
    }
  });
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
}
