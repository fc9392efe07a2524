/**
 * A file as chunks whose bytes are read when they are sent. A stream waits for one piece of the budget while it holds
 * none and only tries for a second one (reading then overlaps sending), so streams can't starve each other.
 */
import { ClipctlError, storageError } from '../errors.ts';
import { PIECE_BYTES, type BufferBudget, type LeasedBuffer } from './buffer-budget.ts';
import { CHUNK_BYTES, type Chunk, type ChunkSource } from './chunk-source.ts';
import { isSameIdentity, openRegularFile, type RegularFile } from './regular-file.ts';

export interface StreamFileOptions {
  readonly budget: BufferBudget;
  readonly signal: AbortSignal;
  readonly chunkBytes?: number;
  readonly pieceBytes?: number;
}

/**
 * Reads `path` in chunks of `chunkBytes`. The size is the one at the start of the iteration.
 * @throws ClipctlError, while iterating: FILE_NOT_FOUND, SIZE_MISMATCH when the file shrank or was replaced, STORAGE_*
 */
export function streamFileInChunks(path: string, options: StreamFileOptions): ChunkSource {
  return { [Symbol.asyncIterator]: () => chunksOf(path, options) };
}

async function* chunksOf(path: string, options: StreamFileOptions): AsyncGenerator<Chunk, void, undefined> {
  const { chunkBytes = CHUNK_BYTES, signal } = options;
  signal.throwIfAborted();
  const shared = new SharedFile(path);
  const file = await shared.hold();
  try {
    const sizeBytes = file.identity.sizeBytes;
    for (let index = 0, offset = 0; offset < sizeBytes; index += 1, offset += chunkBytes) {
      signal.throwIfAborted();
      const length = Math.min(chunkBytes, sizeBytes - offset);
      yield { index, offset, length, stream: () => piecesOf(shared, { ...options, offset, length }) };
    }
  } finally {
    await shared.drop();
  }
}

interface Span extends StreamFileOptions {
  readonly offset: number;
  readonly length: number;
}

async function* piecesOf(shared: SharedFile, span: Span): AsyncGenerator<Uint8Array, void, undefined> {
  const { budget, signal, pieceBytes = PIECE_BYTES } = span;
  const leases: LeasedBuffer[] = [await budget.acquireBuffer(pieceBytes, signal)];
  let pending: Promise<ReadOutcome> | undefined;
  try {
    const file = await shared.hold();
    try {
      if (span.length > pieceBytes) leases.push(...tryLease(budget, pieceBytes));
      const end = span.offset + span.length;
      const readAt = (offset: number): Promise<ReadOutcome> => {
        const turn = Math.floor((offset - span.offset) / pieceBytes) % leases.length;
        return readPiece(file, leaseAt(leases, turn).subarray(0, Math.min(pieceBytes, end - offset)), offset);
      };
      pending = readAt(span.offset);
      for (let offset = span.offset; offset < end; offset += pieceBytes) {
        const outcome = await pending;
        if ('error' in outcome) throw outcome.error;
        signal.throwIfAborted();
        const next = offset + pieceBytes;
        if (leases.length > 1 && next < end) pending = readAt(next);
        yield outcome.piece;
        if (leases.length === 1 && next < end) pending = readAt(next);
      }
    } finally {
      // The kernel may still write into a buffer: it goes back only when the read has ended.
      await pending;
      await shared.drop();
    }
  } finally {
    for (const lease of leases) lease.release();
  }
}

function tryLease(budget: BufferBudget, bytes: number): LeasedBuffer[] {
  const lease = budget.tryAcquireBuffer(bytes);
  return lease === undefined ? [] : [lease];
}

function leaseAt(leases: readonly LeasedBuffer[], turn: number): Buffer {
  const lease = leases[turn];
  if (lease === undefined) throw new ClipctlError('INTERNAL', `no lease ${turn}`);
  return lease.buffer;
}

/** A read ahead may fail while nobody waits for it; as a value it can't become an unhandled rejection. */
type ReadOutcome = { readonly piece: Uint8Array } | { readonly error: unknown };

async function readPiece(file: RegularFile, into: Buffer, offset: number): Promise<ReadOutcome> {
  try {
    for (let filled = 0; filled < into.length;) {
      const { bytesRead } = await file.handle.read(into, filled, into.length - filled, offset + filled);
      if (bytesRead === 0) return { error: shrunk(file.path, file.identity.sizeBytes, offset + filled) };
      filled += bytesRead;
    }
    return { piece: into };
  } catch (error) {
    return { error: storageError(error, file.path, 'read') };
  }
}

function shrunk(path: string, sizeBytes: number, endBytes: number): ClipctlError {
  return new ClipctlError('SIZE_MISMATCH', `${path} shrank while it was read: ${sizeBytes} bytes before, ends at ${endBytes}`, {
    details: { path, sizeBytes, endBytes },
  });
}

/**
 * One handle for the iteration and all streams of its chunks, open while anybody holds it: an eviction in between does
 * no harm. A retry after everybody let go opens again, and only the same file will do.
 */
class SharedFile {
  readonly #path: string;
  #holders = 0;
  #opening: Promise<RegularFile> | undefined;
  #first: RegularFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async hold(): Promise<RegularFile> {
    this.#holders += 1;
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#holders -= 1;
      if (this.#holders === 0) this.#opening = undefined;
      throw error;
    }
  }

  async drop(): Promise<void> {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    const opening = this.#opening;
    this.#opening = undefined;
    await (await opening)?.handle.close();
  }

  async #open(): Promise<RegularFile> {
    const file = await openRegularFile(this.#path);
    if (file === undefined) {
      throw new ClipctlError('FILE_NOT_FOUND', `${this.#path} does not exist`, { details: { path: this.#path } });
    }
    if (this.#first !== undefined && !isSameIdentity(this.#first.identity, file.identity)) {
      await file.handle.close();
      throw new ClipctlError('SIZE_MISMATCH', `${this.#path} was replaced while it was read`, { details: { path: this.#path } });
    }
    this.#first ??= file;
    return file;
  }
}
