/**
 * A remote cache in a directory (`file:///dir`), shared by mount or rsync: `<hex>` is the content, `<hex>.chunks.json` its
 * chunk list. The list is written first and the content's name last: content without a list that fits is not there.
 * Bytes are streamed as to any remote, never cloned by the file system, so what is measured here is what moves.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { ClipctlError, elsewhereThan, storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import type { ChunkSource } from '../chunk-source.ts';
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
} from '../content-cache.ts';
import { readFileRange, readWholeFile, requireRange } from '../file-readable.ts';
import { listContentFiles } from '../list-content-files.ts';
import { publishFile, replaceFile, syncDirectory } from '../publish-file.ts';
import { lookAtFile, openRegularFile } from '../regular-file.ts';
import { piecesOfSource, writeVerified } from '../write-verified.ts';
import { ChunkListWriter, readChunkList } from './chunk-list.ts';
import { encodedFilesIn } from './encoded-files.ts';
import { createTemporary, removeFile, sealFile, temporaryIn } from './temporary-file.ts';

/** Opens without touching the disk; the directory is made by the first store. */
export function openFileRemote(directory: string): ContentCache {
  return new FileRemote(directory);
}

interface FileStoreOptions extends Omit<StoreOptions, 'sizeBytes'> {
  readonly sizeBytes: number | undefined;
}

const ANOTHER_REMOTE = 'another remote cache: a file:///DIR that exists and may be written';

class FileRemote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: true };
  readonly encoded: EncodedContents;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.url = pathToFileURL(directory).href;
    this.encoded = encodedFilesIn(directory, (work) => this.#here(work));
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    signal.throwIfAborted();
    const found = await this.#look(hash);
    if (found === undefined) return undefined;
    const { sizeBytes, listedBytes } = found;
    if (sizeBytes === listedBytes) return { sizeBytes };
    throw new ClipctlError(
      'CACHE_CORRUPT',
      `${this.#contentPath(hash)} is corrupt: ${sizeBytes} bytes, its chunk list has ${listedBytes}`,
      {
        hint: 'Store the content again: a bad file is replaced.',
      },
    );
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    if ((await this.contentExists(hash, options)) === undefined) return undefined;
    const file = await this.#here(() => openRegularFile(this.#contentPath(hash)));
    if (file === undefined) return undefined;
    if (range === undefined) return readWholeFile(file, hash, options);
    return readFileRange(file, { ...range, signal: options.signal });
  }

  async storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#here(() => this.#store(source, hash, options));
  }

  async storeUnsized(source: ChunkSource, hash: ContentHash, options: CacheCallOptions): Promise<StoreResult> {
    return this.#here(() => this.#store(source, hash, { ...options, sizeBytes: undefined }));
  }

  async #store(source: ChunkSource, hash: ContentHash, options: FileStoreOptions): Promise<StoreResult> {
    const { sizeBytes, signal, replace = false } = options;
    const isThere = async (): Promise<boolean> => !replace && (await this.#isRight(hash));
    if (await isThere()) return { sentBytes: 0, chunks: 0, skipped: true };
    const temporary = await createTemporary(this.#directory);
    let chunks = 0;
    try {
      const writer = new ChunkListWriter();
      const pieces = piecesOfSource(source, () => (chunks += 1));
      await writeVerified({ path: temporary }, pieces, { hash, sizeBytes, signal, onPiece: (piece) => writer.write(piece) });
      const list = writer.finish();
      await sealFile(temporary);
      signal.throwIfAborted();
      await this.#writeList(hash, JSON.stringify(list));
      await publishFile(temporary, this.#contentPath(hash), { isTheirsGood: isThere });
      await syncDirectory(this.#directory);
      return { sentBytes: list.sizeBytes, chunks, skipped: false };
    } finally {
      await removeFile(temporary);
    }
  }

  async deleteContent(hash: ContentHash, options: CacheCallOptions): Promise<boolean> {
    options.signal.throwIfAborted();
    const wasThere = await this.#isRight(hash);
    await this.#here(() => removeFile(this.#contentPath(hash)));
    await this.#here(() => removeFile(this.#listPath(hash)));
    return wasThere;
  }

  async *listContent(options: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    for await (const { hash } of listContentFiles(this.#directory, options.signal)) {
      const found = await this.#look(hash);
      if (found !== undefined && found.sizeBytes === found.listedBytes) yield { hash, sizeBytes: found.sizeBytes };
    }
  }

  async close(): Promise<void> {
    // Nothing stays open between calls.
  }

  /** Two sizes that differ are damage: each of the files has its name only when it is whole. */
  #look(hash: ContentHash): Promise<{ readonly sizeBytes: number; readonly listedBytes: number } | undefined> {
    return this.#here(async () => {
      const found = await lookAtFile(this.#contentPath(hash));
      if (found === undefined || found === 'other') return undefined;
      const list = await readChunkList(this.#listPath(hash));
      return list === undefined ? undefined : { sizeBytes: found.sizeBytes, listedBytes: list.sizeBytes };
    });
  }

  async #isRight(hash: ContentHash): Promise<boolean> {
    const found = await this.#look(hash);
    return found !== undefined && found.sizeBytes === found.listedBytes;
  }

  /** What is shared with the disk cache speaks of the cache directory. */
  async #here<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw elsewhereThan(error, this.#directory, ANOTHER_REMOTE);
    }
  }

  #contentPath(hash: ContentHash): string {
    return join(this.#directory, hash);
  }

  #listPath(hash: ContentHash): string {
    return join(this.#directory, `${hash}.chunks.json`);
  }

  /** Same content, same list: whoever replaces it writes what stood there. */
  async #writeList(hash: ContentHash, text: string): Promise<void> {
    const temporary = temporaryIn(this.#directory);
    try {
      await writeFile(temporary, `${text}\n`, { flag: 'wx' });
      await sealFile(temporary);
      await replaceFile(temporary, this.#listPath(hash));
    } catch (error) {
      throw storageError(error, temporary, 'write');
    } finally {
      await removeFile(temporary);
    }
  }
}
