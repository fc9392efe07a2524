/** The bytes of an open file as a Readable that owns the handle: it closes at the end, on an error and when abandoned. */
import { createHash, type Hash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { ClipctlError, storageError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { CacheCallOptions, ContentRange } from './content-cache.ts';
import type { RegularFile } from './regular-file.ts';

/** Small enough to need no lease: a Readable can't tell when its reader is done with a buffer. */
const READ_BYTES = 64 * 1024;

/** The whole file; fails with CACHE_CORRUPT instead of ending when its sha256 is not `hash`. */
export function readWholeFile(file: RegularFile, hash: ContentHash, { signal }: CacheCallOptions): Readable {
  return addAbortSignal(signal, new FileReadable(file, { offset: 0, length: file.identity.sizeBytes, hash }));
}

/** A range, cut at the end of the file. Nothing is verified. */
export function readFileRange(file: RegularFile, { offset, length, signal }: ContentRange & CacheCallOptions): Readable {
  const start = Math.min(offset, file.identity.sizeBytes);
  const wanted = Math.min(length, file.identity.sizeBytes - start);
  return addAbortSignal(signal, new FileReadable(file, { offset: start, length: wanted }));
}

/** @throws ClipctlError INTERNAL: a range that makes no sense is a bug of the caller */
export function requireRange(options: CacheCallOptions & Partial<ContentRange>): ContentRange | undefined {
  const { offset, length } = options;
  if (offset === undefined && length === undefined) return undefined;
  if (!isCount(offset) || !isCount(length)) throw new ClipctlError('INTERNAL', `not a range: ${offset}+${length}`);
  return { offset, length };
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0;
}

class FileReadable extends Readable {
  readonly #file: RegularFile;
  readonly #hash: ContentHash | undefined;
  readonly #sha: Hash | undefined;
  readonly #end: number;
  #offset: number;

  constructor(file: RegularFile, span: ContentRange & { readonly hash?: ContentHash }) {
    super({ highWaterMark: READ_BYTES });
    this.#file = file;
    this.#offset = span.offset;
    this.#end = span.offset + span.length;
    this.#hash = span.hash;
    this.#sha = span.hash === undefined ? undefined : createHash('sha256');
  }

  override _read(): void {
    this.#next().then(
      (piece) => this.push(piece),
      (error: unknown) => this.destroy(storageError(error, this.#file.path, 'read')),
    );
  }

  /** FileHandle.close waits for the read that is under way. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.handle.close().then(
      () => done(error),
      (closing: unknown) => done(error ?? storageError(closing, this.#file.path, 'close')),
    );
  }

  async #next(): Promise<Buffer | null> {
    if (this.#offset === this.#end) return this.#finish();
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#end - this.#offset));
    const { bytesRead } = await this.#file.handle.read(buffer, 0, buffer.length, this.#offset);
    if (bytesRead === 0) throw this.#corrupt(`ends at ${this.#offset} of ${this.#end} bytes`);
    this.#offset += bytesRead;
    const piece = buffer.subarray(0, bytesRead);
    this.#sha?.update(piece);
    return piece;
  }

  #finish(): null {
    const found = this.#sha?.digest('hex');
    if (found !== this.#hash) throw this.#corrupt(`its content is sha256:${found}`);
    return null;
  }

  #corrupt(what: string): ClipctlError {
    const { path } = this.#file;
    return new ClipctlError('CACHE_CORRUPT', `${path} is corrupt: ${what}`, {
      details: { path },
      hint: 'Store the content again: a bad file is replaced.',
    });
  }
}
