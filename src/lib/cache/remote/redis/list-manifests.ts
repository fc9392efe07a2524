import { ClipctlError } from '../../../errors.ts';
import type { RedisConnection } from './redis-connection.ts';
import { MANIFEST_PATTERN } from './redis-keys.ts';

/** Looked at in one step of the server. */
const KEYS_PER_STEP = 1000;
/** A hundred million keys: a cursor that never comes home ends here. */
const MAX_STEPS = 100_000;
/** Of layers. */
const MAX_FOUND = 1_000_000;

/**
 * The keys that look like manifests, each once, while others come and go.
 * @throws ClipctlError REMOTE_FAILED when the server does not come to an end
 */
export async function* listManifestKeys(connection: RedisConnection, url: string, signal: AbortSignal): AsyncGenerator<string> {
  const seen = new Set<string>();
  let cursor = '0';
  for (let steps = 0; steps < MAX_STEPS && seen.size < MAX_FOUND; steps += 1) {
    const page = pageOf(await connection.call(['SCAN', cursor, 'MATCH', MANIFEST_PATTERN, 'COUNT', KEYS_PER_STEP], signal));
    for (const key of page.keys) {
      if (seen.has(key)) continue;
      seen.add(key);
      yield key;
    }
    if (page.cursor === '0') return;
    cursor = page.cursor;
  }
  throw new ClipctlError('REMOTE_FAILED', `${url} has more keys than can be listed`, { details: { url } });
}

/** A server that answers something else has nothing to list. */
function pageOf(reply: unknown): { readonly cursor: string; readonly keys: readonly string[] } {
  const [cursor, keys] = Array.isArray(reply) ? (reply as unknown[]) : [];
  return {
    cursor: cursor instanceof Buffer ? cursor.toString('latin1') : '0',
    keys: Array.isArray(keys) ? keys.flatMap((key: unknown) => (key instanceof Buffer ? [key.toString('latin1')] : [])) : [],
  };
}
