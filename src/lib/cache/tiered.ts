/**
 * The read path Disk → Remotes → (the caller's registry). A remote is never needed: what fails there is not a miss but
 * a failure that is reported, and the next tier serves. Nothing a remote says becomes visible before its hash is checked.
 */
import type { Readable } from 'node:stream';
import { ClipctlError, errorCodeOf, isAbort, type ErrorCode } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { CacheCallOptions, ContentCache, StoreOptions } from './content-cache.ts';

/** What tiered reading needs of the disk cache. */
export interface DiskTier extends ContentCache {
  /** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, STORAGE_*; and what `pieces` throws, as it is */
  storeStream(pieces: AsyncIterable<Uint8Array>, hash: ContentHash, options: StoreOptions): Promise<void>;
}

export interface TierFailure {
  /** Of the remote, without credentials. */
  readonly url: string;
  readonly error: unknown;
  /** The remote answered with wrong bytes, as opposed to not answering. */
  readonly corrupt: boolean;
}

export type TierHit =
  | { readonly tier: 'disk'; readonly sizeBytes: number }
  | { readonly tier: 'remote'; readonly remote: ContentCache; readonly sizeBytes: number };

export interface TierLookup {
  /** The nearest tier that has the content. */
  readonly hit?: TierHit;
  /** Remotes that were asked and do not have it. */
  readonly misses: readonly string[];
  readonly failures: readonly TierFailure[];
}

export interface FindOptions extends CacheCallOptions {
  readonly disk: ContentCache;
  /** Nearest first. */
  readonly remotes: readonly ContentCache[];
}

export interface FillOptions extends CacheCallOptions {
  readonly disk: DiskTier;
  /** Nearest first. */
  readonly remotes: readonly ContentCache[];
  /** More is not fetched: a remote may claim any size. */
  readonly maxBytes?: number;
  /** Hears of the bytes of the attempt under way. */
  readonly onBytes?: (bytes: number, sizeBytes: number) => void;
}

export interface TierFill {
  /** Who served it: it is committed to the disk cache. Absent: ask the next tier. */
  readonly filled?: { readonly url: string; readonly sizeBytes: number };
  /** Bytes that came from remotes, also those that were thrown away. */
  readonly downloadedBytes: number;
  readonly misses: readonly string[];
  readonly failures: readonly TierFailure[];
}

const WRONG_BYTES: ReadonlySet<ErrorCode> = new Set(['CACHE_CORRUPT', 'SIZE_MISMATCH', 'DIGEST_MISMATCH']);

/**
 * Which tier has the content, without moving it. Remotes behind the first hit are not asked.
 * @throws what the disk throws; the signal's reason
 */
export async function findInTiers(hash: ContentHash, options: FindOptions): Promise<TierLookup> {
  const { disk, remotes, signal } = options;
  const misses: string[] = [];
  const failures: TierFailure[] = [];
  const onDisk = await disk.contentExists(hash, { signal });
  if (onDisk !== undefined) return { hit: { tier: 'disk', sizeBytes: onDisk.sizeBytes }, misses, failures };
  for (const remote of remotes) {
    try {
      const info = await remote.contentExists(hash, { signal });
      if (info !== undefined) return { hit: { tier: 'remote', remote, sizeBytes: info.sizeBytes }, misses, failures };
      misses.push(remote.url);
    } catch (error) {
      failures.push(failureOf(remote, error, signal));
    }
  }
  return { misses, failures };
}

/**
 * Fills the disk cache from the first remote that has the content and has it right.
 * @throws what the disk throws; the signal's reason. Never what a remote throws
 */
export async function fillFromRemotes(hash: ContentHash, options: FillOptions): Promise<TierFill> {
  const misses: string[] = [];
  const failures: TierFailure[] = [];
  let downloadedBytes = 0;
  for (const remote of options.remotes) {
    const attempt = await fillFromRemote(hash, remote, options);
    downloadedBytes += attempt.downloadedBytes;
    if (attempt.failure !== undefined) failures.push(attempt.failure);
    else if (attempt.sizeBytes === undefined) misses.push(remote.url);
    else return { filled: { url: remote.url, sizeBytes: attempt.sizeBytes }, downloadedBytes, misses, failures };
  }
  return { downloadedBytes, misses, failures };
}

/** One remote's answer: neither `sizeBytes` (committed) nor `failure` is a miss. */
interface FillAttempt {
  readonly sizeBytes?: number;
  readonly failure?: TierFailure;
  readonly downloadedBytes: number;
}

async function fillFromRemote(hash: ContentHash, remote: ContentCache, options: FillOptions): Promise<FillAttempt> {
  const { disk, signal, onBytes } = options;
  const opened = await openAtRemote(hash, remote, options);
  if (!('stream' in opened)) return { ...opened, downloadedBytes: 0 };
  const { stream, sizeBytes } = opened;
  const transfer: Transfer = { stream, bytes: 0, onBytes: (bytes) => onBytes?.(bytes, sizeBytes) };
  try {
    await disk.storeStream(piecesOf(transfer), hash, { sizeBytes, signal });
    return { sizeBytes, downloadedBytes: transfer.bytes };
  } catch (error) {
    // Trouble with the disk is no fault of the remote: the next tier could not be stored either.
    if (transfer.failure === undefined && !isRemotesFault(error, transfer)) throw error;
    return { failure: failureOf(remote, transfer.failure ?? error, signal), downloadedBytes: transfer.bytes };
  } finally {
    stream.destroy();
  }
}

/** Wrong bytes are; so is a size, claimed and not proven by a byte yet, that nothing can hold. */
function isRemotesFault(error: unknown, transfer: Transfer): boolean {
  const code = errorCodeOf(error);
  return WRONG_BYTES.has(code) || (code === 'STORAGE_FULL' && transfer.bytes === 0);
}

type Opened = { readonly stream: Readable; readonly sizeBytes: number } | { readonly failure?: TierFailure };

async function openAtRemote(hash: ContentHash, remote: ContentCache, { signal, maxBytes }: FillOptions): Promise<Opened> {
  try {
    const info = await remote.contentExists(hash, { signal });
    if (info === undefined) return {};
    if (maxBytes !== undefined && info.sizeBytes > maxBytes) throw tooLarge(hash, info.sizeBytes, maxBytes);
    const stream = await remote.getContent(hash, { signal });
    return stream === undefined ? {} : { stream, sizeBytes: info.sizeBytes };
  } catch (error) {
    return { failure: failureOf(remote, error, signal) };
  }
}

/** Which side an error came from: the remote's are noted here, the disk's are not. */
interface Transfer {
  readonly stream: Readable;
  readonly onBytes: (bytes: number) => void;
  bytes: number;
  failure?: unknown;
}

async function* piecesOf(transfer: Transfer): AsyncGenerator<Uint8Array, void, undefined> {
  const source = transfer.stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await source.next().catch((error: unknown) => {
      transfer.failure = error;
      throw error;
    });
    if (next.done === true) return;
    transfer.bytes += next.value.length;
    transfer.onBytes(transfer.bytes);
    yield next.value;
  }
}

/** An abort is no failure of the remote: it is thrown on. */
export function failureOf(remote: ContentCache, error: unknown, signal: AbortSignal): TierFailure {
  signal.throwIfAborted();
  if (isAbort(error)) throw error;
  return { url: remote.url, error, corrupt: WRONG_BYTES.has(errorCodeOf(error)) };
}

function tooLarge(hash: ContentHash, sizeBytes: number, maxBytes: number): ClipctlError {
  return new ClipctlError('LIMIT_LAYER_SIZE', `content ${hash} has ${sizeBytes} bytes, ${maxBytes} are allowed`, {
    details: { sizeBytes, maxBytes },
  });
}
