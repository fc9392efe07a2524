import type { ContentCache, StoreResult } from '../cache/content-cache.ts';
import { streamFileInChunks } from '../cache/stream-file.ts';
import { contentHashOf, type DiffId, type Digest } from '../oci/digest.ts';
import { isAbort, ClipctlError } from '../errors.ts';
import type { Session } from './open-session.ts';

export interface SentLayer {
  /** What progress names it by. */
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Decompressed. */
  readonly sizeBytes: number;
}

/** Streams a layer from its committed file into a remote cache; what stands there is skipped. @throws what the remote throws */
export async function sendLayer(session: Session, remote: ContentCache, sent: SentLayer): Promise<StoreResult> {
  const { signal, onProgress } = session;
  const hash = contentHashOf(sent.diffId);
  const chunks = streamFileInChunks(session.disk.layerPath(hash), { budget: session.budget, signal });
  onProgress({ type: 'layer-start', layer: sent.digest, action: 'push', totalBytes: sent.sizeBytes, from: remote.url });
  const result = await remote.storeContent(chunks, hash, { sizeBytes: sent.sizeBytes, signal });
  onProgress({
    type: 'layer-done',
    layer: sent.digest,
    action: 'push',
    bytes: result.sentBytes,
    ...(result.skipped ? { note: 'already there' } : {}),
  });
  return result;
}

export interface SendOutcome {
  /** Remotes that hold the layer now. */
  readonly stored: readonly string[];
  readonly failures: readonly { readonly url: string; readonly error: unknown }[];
}

/** Sends one layer to several remotes; a failing remote does not stop the others. @throws only on abort */
export async function sendLayerToAll(session: Session, remotes: readonly ContentCache[], sent: SentLayer): Promise<SendOutcome> {
  const stored: string[] = [];
  const failures: { url: string; error: unknown }[] = [];
  for (const remote of remotes) {
    try {
      await sendLayer(session, remote, sent);
      stored.push(remote.url);
    } catch (error) {
      if (isAbort(error)) throw error;
      failures.push({ url: remote.url, error });
    }
  }
  return { stored, failures };
}

/** The error of a remote that was required (exit 11). */
export function remoteFailed({ url, error }: { url: string; error: unknown }): ClipctlError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ClipctlError('REMOTE_FAILED', `remote cache ${url} failed: ${reason}`, {
    cause: error,
    ...(error instanceof ClipctlError && error.hint !== undefined ? { hint: error.hint } : {}),
  });
}
