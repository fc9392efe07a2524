import type { ChunkSource } from '../cache/chunk-source.ts';
import { SMALL_BUFFERS, SMALL_BYTES } from '../cache/buffer-budget.ts';
import type { ContentCache, StoreResult } from '../cache/content-cache.ts';
import { streamFileInChunks } from '../cache/stream-file.ts';
import { watchChunks } from '../cache/watch-chunks.ts';
import type { FrameEncoder } from '../compression/zstd/frame-encoder.ts';
import { contentHashOf, type ContentHash, type DiffId, type Digest } from '../oci/digest.ts';
import { collectGrown } from '../pipeline/collect-garbage.ts';
import { ClipctlError, errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import type { Session } from './open-session.ts';
import { reasonOf } from './remote-tally.ts';

export interface SentLayer {
  /** What progress names it by. */
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Decompressed. */
  readonly sizeBytes: number;
  /** Packs it on its way. */
  readonly encoder?: FrameEncoder | undefined;
  /** What the remote holds is wrong: it is overwritten. */
  readonly replace?: boolean;
}

/**
 * Streams a layer from its committed file into a remote cache; what stands there is skipped.
 * @throws what the remote throws; ClipctlError CACHE_CORRUPT when it is the file that is wrong
 */
export async function sendLayer(session: Session, remote: ContentCache, sent: SentLayer): Promise<StoreResult> {
  try {
    return await sendFile(session, remote, sent);
  } catch (error) {
    throw MISMATCHES.has(errorCodeOf(error)) ? await blame(session, sent, error) : error;
  }
}

/** What a driver says that hashes what it sends. */
const MISMATCHES: ReadonlySet<ErrorCode> = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** The file is hashed once more: nobody vouches for a wrong one from then on. */
async function blame({ disk, signal }: Session, { diffId }: SentLayer, error: unknown): Promise<unknown> {
  if ((await disk.verifyLayer(contentHashOf(diffId), { signal })) === 'verified') return error;
  return new ClipctlError('CACHE_CORRUPT', `the disk cache holds wrong content for ${diffId}`, {
    cause: error,
    hint: 'It is not trusted any more: run the same command again, and it is fetched anew. clipctl cache verify --full looks at the rest.',
  });
}

async function sendFile(session: Session, remote: ContentCache, sent: SentLayer): Promise<StoreResult> {
  const { signal, budget, disk } = session;
  const hash = contentHashOf(sent.diffId);
  const { sizeBytes, replace = false, encoder } = sent;
  const about = { layer: sent.digest, totalBytes: sizeBytes, url: remote.url };
  return reportSend(session, about, async (watch) => {
    const path = disk.layerPath(hash);
    if (encoder !== undefined) {
      // Packing holds memory of the budget and must not wait there for more.
      const small = streamFileInChunks(path, { budget: SMALL_BUFFERS, pieceBytes: SMALL_BYTES, signal });
      return remote.storeContent(watch(small), hash, { sizeBytes, signal, encoder });
    }
    const chunks = watch(streamFileInChunks(path, { budget, signal }));
    if (!replace) return remote.storeContent(chunks, hash, { sizeBytes, signal });
    await removeWrong(remote, hash, signal);
    const result = await remote.storeContent(chunks, hash, { sizeBytes, signal, replace });
    if (result.skipped) throw notReplaced(remote, sent);
    return result;
  });
}

export interface SendAbout {
  readonly layer: Digest;
  readonly totalBytes: number;
  readonly url: string;
}

/** A look at the heap takes microseconds. */
const COLLECT_EVERY_BYTES = 64 * 1024 * 1024;

/** Tells progress of a send: its start, its bytes as the driver takes them, its end. */
export async function reportSend(
  { onProgress }: Session,
  { layer, totalBytes, url }: SendAbout,
  send: (watch: (source: ChunkSource) => ChunkSource) => Promise<StoreResult>,
): Promise<StoreResult> {
  const about = { layer, action: 'push', to: url } as const;
  let bytes = 0;
  let uncollectedBytes = 0;
  const count = (more: number): void => {
    uncollectedBytes += more;
    if (uncollectedBytes >= COLLECT_EVERY_BYTES) {
      uncollectedBytes = 0;
      collectGrown();
    }
    // A retry sends bytes again; the layer does not grow by that.
    bytes = Math.min(bytes + more, totalBytes);
    onProgress({ type: 'layer-progress', ...about, bytes, totalBytes });
  };
  onProgress({ type: 'layer-start', ...about, totalBytes, from: url });
  try {
    const result = await send((source) => watchChunks(source, { wait: () => undefined, pause: () => undefined, count }));
    onProgress({
      type: 'layer-done',
      ...about,
      bytes: result.sentBytes,
      ...(result.skipped ? { note: 'already there' } : {}),
    });
    return result;
  } catch (error) {
    onProgress({ type: 'layer-failed', ...about });
    throw error;
  }
}

export interface SendFailure {
  readonly url: string;
  readonly error: unknown;
}

export interface SendOutcome {
  /** Remotes that hold the layer now. */
  readonly stored: readonly string[];
  readonly results: readonly { readonly url: string; readonly result: StoreResult }[];
  readonly failures: readonly SendFailure[];
}

/** Sends one layer to several remotes at once, from one file; a failing remote does not stop the others. @throws only on abort */
export async function sendLayerToAll(session: Session, remotes: readonly ContentCache[], sent: SentLayer): Promise<SendOutcome> {
  return settleSends(remotes, (remote) => sendLayer(session, remote, sent));
}

/** Runs a send for each remote at once. @throws only on abort */
export async function settleSends(
  remotes: readonly ContentCache[],
  send: (remote: ContentCache) => Promise<StoreResult>,
): Promise<SendOutcome> {
  const results: { url: string; result: StoreResult }[] = [];
  const failures: SendFailure[] = [];
  const settled = await Promise.allSettled(remotes.map(send));
  remotes.forEach(({ url }, at) => {
    const outcome = settled[at];
    if (outcome?.status === 'fulfilled') results.push({ url, result: outcome.value });
    else failures.push({ url, error: outcome?.reason as unknown });
  });
  const aborted = failures.find(({ error }) => isAbort(error));
  if (aborted !== undefined) throw aborted.error;
  return { stored: results.map(({ url }) => url), results, failures };
}

/** The error of a remote that was required (exit 11). */
export function remoteFailed({ url, error }: SendFailure): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `remote cache ${url} failed: ${reasonOf(error)}`, {
    cause: error,
    ...(error instanceof ClipctlError && error.hint !== undefined ? { hint: error.hint } : {}),
  });
}

async function removeWrong(remote: ContentCache, hash: ContentHash, signal: AbortSignal): Promise<void> {
  try {
    await remote.deleteContent?.(hash, { signal });
  } catch (error) {
    // A server that deletes nothing may still take what replaces it.
    if (remote.capabilities.delete) throw error;
  }
}

function notReplaced(remote: ContentCache, { diffId }: SentLayer): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${remote.url} keeps wrong content for ${diffId}`, {
    hint: 'The server lets nobody overwrite or delete it: remove it there.',
  });
}
