/**
 * A remote cache in BlobCache servers (`blobcache://host:port`), the remote cache of Go CLIP. Such a server hashes what it
 * stores and forgets pages when it is full; it tells no sizes, deletes and lists nothing.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ClipctlError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { remoteReadable } from '../remote-readable.ts';
import { parseBlobcacheAddress } from './blobcache-address.ts';
import type { BlobcacheHost } from './blobcache-host.ts';
import { ContentSpans } from './content-spans.ts';
import { findSize, hasSize, type ReadAt } from './find-size.ts';
import { HostChoice } from './host-choice.ts';
import { GET_CONTENT, HAS_CONTENT } from './messages.ts';
import { sendContent } from './send-content.ts';

export interface BlobcacheTuning {
  /** Content from here on is stored with a warning. */
  readonly warnFromBytes: number;
}

const DEFAULT_TUNING: BlobcacheTuning = { warnFromBytes: 2 ** 30 };
const EMPTY_HASH = createHash('sha256').digest('hex');

/** Opens without connecting; the gRPC client is loaded by the first call. @throws ClipctlError USAGE */
export function openBlobcacheRemote(url: URL, context: RemoteContext, tuning: Partial<BlobcacheTuning> = {}): ContentCache {
  return new BlobcacheRemote(url, context, { ...DEFAULT_TUNING, ...tuning });
}

class BlobcacheRemote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: false, delete: false, conditionalPut: false };
  readonly #hosts: HostChoice;
  readonly #context: RemoteContext;
  readonly #tuning: BlobcacheTuning;
  /** Of contents that were found, stored or asked for in this run. */
  readonly #sizes = new Map<ContentHash, number>();
  #hasWarned = false;

  constructor(url: URL, context: RemoteContext, tuning: BlobcacheTuning) {
    const address = parseBlobcacheAddress(url, context.environment);
    this.url = address.url;
    this.#context = context;
    this.#tuning = tuning;
    this.#hosts = new HostChoice(address, context);
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const sizeBytes = await this.#find(hash, signal);
    return sizeBytes === undefined ? undefined : { sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    const { signal } = options;
    signal.throwIfAborted();
    const known = this.#sizes.get(hash);
    const sizeBytes = known ?? (await this.#find(hash, signal));
    if (sizeBytes === undefined) return undefined;
    const start = Math.min(range?.offset ?? 0, sizeBytes);
    const end = Math.min(start + (range?.length ?? sizeBytes), sizeBytes);
    // Where nothing is read, nothing proves that it is still there.
    if (start === end && known !== undefined && (await this.#find(hash, signal)) === undefined) return undefined;
    return this.#read(hash, { start, end, isWhole: range === undefined, signal });
  }

  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  storeUnsized(source: ChunkSource, hash: ContentHash, options: CacheCallOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  close(): Promise<void> {
    return this.#hosts.close();
  }

  /** The size. `undefined`: it is not there, or a page of it is missing where that can be seen. */
  #find(hash: ContentHash, signal: AbortSignal): Promise<number | undefined> {
    return this.#at(hash, signal, async (host) => {
      const { exists } = await host.call(HAS_CONTENT, { hash }, signal);
      if (!exists) return undefined;
      if (hash === EMPTY_HASH) return 0;
      const read = readsOf(host, hash, signal);
      const known = this.#sizes.get(hash);
      if (known !== undefined && (await hasSize(read, known))) return known;
      const found = await findSize(read);
      if (found !== undefined) this.#sizes.set(hash, found);
      return found;
    });
  }

  async #read(
    hash: ContentHash,
    { start, end, isWhole, signal }: { start: number; end: number; isWhole: boolean; signal: AbortSignal },
  ): Promise<Readable | undefined> {
    const { budget, timeoutMs } = this.#context;
    const own = AbortSignal.any([signal]);
    return this.#at(hash, signal, async (host) => {
      const spans = new ContentSpans(host, { url: this.url, hash, start, end, budget, timeoutMs, signal: own });
      try {
        // The first bytes prove what HasContent only says.
        const first = await spans.next();
        if (first === undefined) {
          spans.close();
          return undefined;
        }
        const body = remoteReadable(behind(first, spans), { url: this.url, hash, sizeBytes: end - start, isWhole, signal: own });
        // Also of one that nobody has read from.
        body.once('close', () => spans.close());
        return body;
      } catch (error) {
        spans.close();
        throw error;
      }
    });
  }

  async #store(
    source: ChunkSource,
    hash: ContentHash,
    { sizeBytes, signal, replace = false }: CacheCallOptions & Partial<StoreOptions>,
  ): Promise<StoreResult> {
    signal.throwIfAborted();
    if (!replace && (await this.#holds(hash, sizeBytes, signal))) return { sentBytes: 0, chunks: 0, skipped: true };
    const { budget } = this.#context;
    const own = AbortSignal.any([signal]);
    const onBytes = (bytes: number): void => this.#warnOf(bytes);
    onBytes(sizeBytes ?? 0);
    const sent = await this.#at(hash, signal, (host) =>
      sendContent(host, source, { hash, sizeBytes, budget, signal: own, onBytes }),
    );
    this.#sizes.set(hash, sent.sentBytes);
    return { ...sent, skipped: false };
  }

  /** Content of another size than it has, or with a hole, is not there: it is stored again. */
  async #holds(hash: ContentHash, sizeBytes: number | undefined, signal: AbortSignal): Promise<boolean> {
    if (sizeBytes === undefined) return (await this.#find(hash, signal)) !== undefined;
    return this.#at(hash, signal, async (host) => {
      const { exists } = await host.call(HAS_CONTENT, { hash }, signal);
      return exists && (hash === EMPTY_HASH || hasSize(readsOf(host, hash, signal), sizeBytes));
    });
  }

  /** The server keeps an upload in memory, several times over: 2.2 GB took 13.6 GB. */
  #warnOf(bytes: number): void {
    if (this.#hasWarned || bytes < this.#tuning.warnFromBytes) return;
    this.#hasWarned = true;
    this.#context.onWarning(
      `${this.url} keeps a layer in memory while it is stored, several times its size: make sure of its memory for layers over 1 GiB`,
    );
  }

  /** A host that cannot be reached is left out the next time. */
  async #at<T>(hash: ContentHash, signal: AbortSignal, work: (host: BlobcacheHost) => Promise<T>): Promise<T> {
    const host = await this.#hosts.hostFor(hash, signal);
    try {
      return await work(host);
    } catch (error) {
      // That of a source that is elsewhere says nothing about this host.
      const isLost = error instanceof ClipctlError && error.code === 'NETWORK' && error.details['host'] === host.name;
      if (isLost) this.#hosts.leaveOut(host);
      throw error;
    }
  }
}

async function* behind(first: readonly Buffer[], spans: ContentSpans): AsyncGenerator<Buffer, void, undefined> {
  yield* first;
  yield* spans.rest();
}

function readsOf(host: BlobcacheHost, hash: ContentHash, signal: AbortSignal): ReadAt {
  return async (offset, length) => {
    const { ok, content } = await host.call(GET_CONTENT, { hash, offset, length }, signal);
    if (content.length > length) throw tooMuch(host.name, hash);
    return ok ? content.length : 0;
  };
}

function tooMuch(name: string, hash: ContentHash): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${name} sent more of content ${hash} than it was asked for`, {
    details: { host: name, hash },
    hint: 'Check that a blobcache server (version 2) answers there.',
  });
}
