/**
 * A driver whose content may also stand there as seekable zstd (`<hex>.zst`, FORMATS.md §3): reads find either form, the
 * plain one first; a store with an encoder writes the packed one. The key stays the hash of the plain content.
 */
import type { Readable } from 'node:stream';
import { errorCodeOf } from '../../../errors.ts';
import { contentBytesOf, FRAME_BYTES, MAX_SEEKABLE_BYTES, type SeekTable } from '../../../compression/zstd/seek-table.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { BufferBudget } from '../../buffer-budget.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  EncodedContents,
  StoreOptions,
  StoreResult,
  Unverified,
  UnsizedStoreOptions,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import { remoteReadable } from '../remote-readable.ts';
import type { FrameSizes } from './decode-frames.ts';
import { encodeContent, ENCODING_BYTES } from './encode-content.ts';
import { readSeekTable } from './read-table.ts';

/** The driver itself where it keeps one form only. */
export function withEncodedForm(driver: ContentCache, budget: BufferBudget): ContentCache {
  return driver.encoded === undefined ? driver : new EncodedForm(driver, driver.encoded, budget);
}

class EncodedForm implements ContentCache {
  readonly url: string;
  readonly storeUnsized?: NonNullable<ContentCache['storeUnsized']>;
  readonly deleteContent?: NonNullable<ContentCache['deleteContent']>;
  readonly listContent?: NonNullable<ContentCache['listContent']>;
  readonly #plain: ContentCache;
  readonly #encoded: EncodedContents;
  readonly #budget: BufferBudget;

  constructor(plain: ContentCache, encoded: EncodedContents, budget: BufferBudget) {
    this.url = plain.url;
    this.#plain = plain;
    this.#encoded = encoded;
    this.#budget = budget;
    const storeUnsized = plain.storeUnsized?.bind(plain);
    const deleteContent = plain.deleteContent?.bind(plain);
    const listContent = plain.listContent?.bind(plain);
    if (listContent !== undefined) this.listContent = listContent;
    if (storeUnsized !== undefined) {
      this.storeUnsized = (source, hash, options) =>
        this.#store(source, { hash, options, storePlain: () => storeUnsized(source, hash, options) });
    }
    if (deleteContent !== undefined) {
      this.deleteContent = async (hash, options) => {
        const wasPlain = await deleteContent(hash, options);
        return (await encoded.delete(hash, options)) || wasPlain;
      };
    }
  }

  get capabilities(): CacheCapabilities {
    return { ...this.#plain.capabilities, encoding: true };
  }

  async contentExists(hash: ContentHash, options: CacheCallOptions): Promise<ContentInfo | undefined> {
    const plain = await this.#plain.contentExists(hash, options);
    if (plain !== undefined) return plain;
    const table = await readSeekTable(this.#encoded, hash, options);
    return table === undefined ? undefined : { sizeBytes: table.sizeBytes };
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    const plain = await this.#plain.getContent(hash, options);
    if (plain !== undefined) return plain;
    const table = await readSeekTable(this.#encoded, hash, options);
    if (table === undefined) return undefined;
    const { sizeBytes } = table;
    const start = Math.min(range?.offset ?? 0, sizeBytes);
    const length = Math.min(range?.length ?? sizeBytes, sizeBytes - start);
    const pieces = this.#pieces(hash, table, { offset: start, length, signal: options.signal });
    return remoteReadable(pieces, {
      url: this.url,
      hash,
      sizeBytes: length,
      isWhole: range === undefined,
      signal: options.signal,
    });
  }

  async storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, { hash, options, storePlain: () => this.#plain.storeContent(source, hash, options) });
  }

  close(): Promise<void> {
    return this.#plain.close();
  }

  async #store(source: ChunkSource, { hash, options, storePlain }: Store): Promise<StoreResult> {
    const { encoder, signal, sizeBytes, replace = false } = options;
    const plain = encoder === undefined && replace ? undefined : await this.#plain.contentExists(hash, { signal });
    const isTooLong = (sizeBytes ?? 0) > MAX_SEEKABLE_BYTES;
    // A plain form is found first: beside one that is wrong, a packed one would not be seen.
    if (plain !== undefined || isTooLong || (encoder === undefined && replace)) return storePlain();
    if (!replace && (await this.#holdsEncoded(hash, options))) return { sentBytes: 0, chunks: 0, skipped: true };
    if (encoder === undefined) return storePlain();
    const lease = await this.#budget.acquireBuffer(ENCODING_BYTES + this.#encoded.memoryBytes, signal);
    try {
      const memory = lease.buffer.subarray(0, ENCODING_BYTES);
      const pieces = encodeContent(source, { hash, sizeBytes, encoder, memory, signal });
      const lent = lease.buffer.subarray(ENCODING_BYTES);
      return { ...(await this.#encoded.store(pieces, hash, { signal, memory: lent })), skipped: false };
    } finally {
      lease.release();
    }
  }

  /** One that is wrong is not there: it is overwritten. */
  async #holdsEncoded(hash: ContentHash, { signal, sizeBytes }: CacheCallOptions & Partial<StoreOptions>): Promise<boolean> {
    try {
      const table = await readSeekTable(this.#encoded, hash, { signal });
      return table !== undefined && (sizeBytes === undefined || sizeBytes === table.sizeBytes);
    } catch (error) {
      if (errorCodeOf(error) === 'CACHE_CORRUPT') return false;
      throw error;
    }
  }

  /** Only the frames that the range touches are fetched. */
  async *#pieces(
    hash: ContentHash,
    table: SeekTable,
    { offset, length, signal }: ContentRange & CacheCallOptions,
  ): AsyncGenerator<Buffer, void, undefined> {
    if (length === 0) return;
    const first = Math.floor(offset / FRAME_BYTES);
    const end = Math.ceil((offset + length) / FRAME_BYTES);
    const [from = 0, to = 0] = [table.offsets[first], table.offsets[end]];
    const packed = await this.#encoded.get(hash, { offset: from, length: to - from, signal });
    if (packed === undefined) return;
    const { decodeFrames } = await import('./decode-frames.ts');
    try {
      let skipBytes = offset - first * FRAME_BYTES;
      let leftBytes = length;
      for await (const piece of decodeFrames(packed as AsyncIterable<Uint8Array>, framesOf(table, first, end))) {
        const part = piece.subarray(skipBytes, skipBytes + leftBytes);
        skipBytes = Math.max(0, skipBytes - piece.length);
        leftBytes -= part.length;
        if (part.length > 0) yield part;
        if (leftBytes === 0 && offset + length < table.sizeBytes) return;
      }
    } finally {
      packed.destroy();
    }
  }
}

interface Store {
  readonly hash: ContentHash;
  readonly options: UnsizedStoreOptions & Partial<StoreOptions>;
  readonly storePlain: () => Promise<StoreResult>;
}

function* framesOf({ offsets, sizeBytes }: SeekTable, first: number, end: number): Generator<FrameSizes, void, undefined> {
  for (let index = first; index < end; index += 1) {
    const packedBytes = (offsets[index + 1] ?? 0) - (offsets[index] ?? 0);
    yield { packedBytes, contentBytes: contentBytesOf(index, sizeBytes) };
  }
}
