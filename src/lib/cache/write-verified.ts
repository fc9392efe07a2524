/** Writing content whose size and sha256 are known beforehand: what is wrong is noticed before anybody can see it. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ClipctlError, storageError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { ChunkSource } from './chunk-source.ts';
import { openOwn, type OwnFile } from './own-file.ts';
import { EarlyFlush } from './early-flush.ts';

/** Dirty pages go out while the rest still comes in, so the last fsync is short (RELIABILITY §1.1, fsync cost). */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;

export interface ExpectedContent {
  readonly hash: ContentHash;
  /** `undefined`: the hash alone says it is right. */
  readonly sizeBytes: number | undefined;
  readonly signal: AbortSignal;
  /** False: flushing is left to the operating system. Default true. */
  readonly isFlushed?: boolean;
  /** Sees each piece once, in order, while it is written. */
  readonly onPiece?: (piece: Uint8Array) => void;
}

/**
 * Writes `pieces` into the empty file `file`, which must exist. A piece is used up when the next one is asked for.
 * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, STORAGE_*; and what `pieces` throws, as it is
 */
export async function writeVerified(file: OwnFile, pieces: AsyncIterable<Uint8Array>, expected: ExpectedContent): Promise<void> {
  const { path } = file;
  const handle = await openOwn(file, constants.O_WRONLY).catch((error: unknown) => {
    throw storageError(error, path, 'open');
  });
  try {
    await writePieces({ path, handle }, pieces, expected);
  } finally {
    await handle.close();
  }
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

async function writePieces(file: OpenFile, pieces: AsyncIterable<Uint8Array>, expected: ExpectedContent): Promise<void> {
  const { hash, sizeBytes, signal, onPiece, isFlushed = true } = expected;
  const sha = createHash('sha256');
  let writtenBytes = 0;
  let unflushedBytes = 0;
  const flush = new EarlyFlush(file.path, isFlushed);
  for await (const piece of pieces) {
    signal.throwIfAborted();
    if (sizeBytes !== undefined && writtenBytes + piece.length > sizeBytes)
      throw sizeMismatch(hash, sizeBytes, writtenBytes + piece.length);
    const writing = writeFully(file, piece, writtenBytes);
    sha.update(piece);
    onPiece?.(piece);
    await writing;
    writtenBytes += piece.length;
    unflushedBytes += piece.length;
    if (unflushedBytes >= FLUSH_EVERY_BYTES) {
      flush.start();
      unflushedBytes = 0;
    }
  }
  signal.throwIfAborted();
  if (sizeBytes !== undefined && writtenBytes !== sizeBytes) throw sizeMismatch(hash, sizeBytes, writtenBytes);
  const found = sha.digest('hex');
  if (found !== hash) throw digestMismatch(hash, found);
  await flush.finish();
}

async function writeFully({ handle, path }: OpenFile, piece: Uint8Array, offset: number): Promise<void> {
  try {
    for (let written = 0; written < piece.length;) {
      const { bytesWritten } = await handle.write(piece, written, piece.length - written, offset + written);
      written += bytesWritten;
    }
  } catch (error) {
    throw storageError(error, path, 'write');
  }
}

/** The pieces of all chunks in order; `onChunk` hears of each chunk before its first piece. */
export async function* piecesOfSource(source: ChunkSource, onChunk: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    onChunk();
    yield* chunk.stream();
  }
}

export function sizeMismatch(hash: ContentHash, expectedBytes: number, foundBytes: number): ClipctlError {
  const found = foundBytes > expectedBytes ? 'more' : String(foundBytes);
  return new ClipctlError('SIZE_MISMATCH', `content ${hash} should have ${expectedBytes} bytes, it has ${found}`, {
    details: { hash, expectedBytes, foundBytes },
  });
}

export function digestMismatch(hash: ContentHash, found: string): ClipctlError {
  return new ClipctlError('DIGEST_MISMATCH', `content should be sha256:${hash}, it is sha256:${found}`, {
    details: { expected: `sha256:${hash}`, found: `sha256:${found}` },
  });
}
