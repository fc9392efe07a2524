import type { CacheCallOptions, ContentCache } from '../cache/content-cache.ts';
import { errorCodeOf } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';

/** Whether a remote holds the content. One that can't answer counts as "no", with a warning: this is for looking only. */
export async function remoteHolds(
  remote: ContentCache,
  hash: ContentHash,
  { signal, warnings }: CacheCallOptions & { readonly warnings: Set<string> },
): Promise<boolean> {
  try {
    return (await remote.contentExists(hash, { signal })) !== undefined;
  } catch (error) {
    signal.throwIfAborted();
    warnings.add(`remote cache ${remote.url} did not answer: ${error instanceof Error ? error.message : errorCodeOf(error)}`);
    return false;
  }
}
