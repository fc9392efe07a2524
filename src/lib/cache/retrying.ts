/**
 * A content cache whose calls are tried again as http/retry.ts has it. A stream that breaks half-way is not resumed: the
 * next tier serves. A driver whose client retries by itself throws errors that are not retryable.
 */
import { withRetry, type RetryPolicy } from '../http/retry.ts';
import type { ContentCache, StoreResult } from './content-cache.ts';
import { intercept, type WriteCall } from './intercept.ts';
import type { SourceTap } from './tapped-source.ts';

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
  { signal, isRepeatable, onSent, send }: WriteCall<T>,
  { what, policy }: { readonly what: string; readonly policy: RetryPolicy },
): Promise<T> {
  if (!isRepeatable) return send({ signal, onSent });
  let broken: { readonly error: unknown } | undefined;
  const tap: SourceTap = {
    onAsked: () => undefined,
    onPiece: () => undefined,
    onEnd: () => undefined,
    onFailure: (error) => (broken ??= { error }),
  };
  return withRetry({ what, policy, signal }, async () => {
    try {
      return await send({ signal, onSent, tap });
    } catch (error) {
      // What the source threw is no failure of the remote: the same bytes would not come the next time either.
      if (broken !== undefined) return Promise.reject(new SourceBroken(broken.error));
      throw error;
    }
  }).catch((error: unknown) => {
    throw error instanceof SourceBroken ? error.reason : error;
  });
}

/** Not retryable, whatever the source threw. */
class SourceBroken extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the source broke');
    this.reason = reason;
  }
}
