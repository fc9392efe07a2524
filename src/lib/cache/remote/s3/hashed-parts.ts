/**
 * The parts of some content, each hashed before it is sent: the signature of a part needs its sha256 first (SigV4,
 * x-amz-content-sha256), and the server compares it with what arrived. So bytes are read twice from the committed file:
 * once here in order, once when they are sent, in parallel.
 */
import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { ClipctlError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { Chunk, ChunkSource } from '../../chunk-source.ts';
import { sizeMismatch } from '../../write-verified.ts';

export interface HashedPart {
  /** From 1, as S3 counts. */
  readonly number: number;
  readonly length: number;
  /** In hex. */
  readonly sha256: string;
  /** No more parts follow: size and hash of the whole content have been checked. */
  readonly isLast: boolean;
  /** The bytes that were hashed; may be called again. @throws ClipctlError DIGEST_MISMATCH when they changed */
  stream(): AsyncIterable<Uint8Array>;
  /** The part has been acknowledged, or is given up. */
  release(): void;
}

interface ExpectedContent {
  readonly hash: ContentHash;
  /** `undefined`: the hash alone says that it is right. */
  readonly sizeBytes: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Hashes chunk by chunk as parts are asked for. The last part comes only when the whole content is what was promised.
 * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, and what the source throws
 */
export async function* hashParts(source: ChunkSource, expected: ExpectedContent): AsyncGenerator<HashedPart, void, undefined> {
  const { hash, sizeBytes, signal } = expected;
  const whole = createHash('sha256');
  let held: HashedPart | undefined;
  let totalBytes = 0;
  try {
    for await (const chunk of source) {
      totalBytes += chunk.length;
      if (sizeBytes !== undefined && totalBytes > sizeBytes) throw sizeMismatch(hash, sizeBytes, totalBytes);
      if (held !== undefined) yield handOver(held);
      held = await hashPart(chunk, whole, expected);
      // What may be the last one waits until the source has said that nothing follows.
      if (chunk.isLast ?? (sizeBytes === undefined || totalBytes === sizeBytes)) continue;
      yield handOver(held);
    }
    signal.throwIfAborted();
    if (sizeBytes !== undefined && totalBytes !== sizeBytes) throw sizeMismatch(hash, sizeBytes, totalBytes);
    const found = whole.digest('hex');
    if (found !== hash) throw digestMismatch(hash, found);
    if (held !== undefined) yield handOver({ ...held, isLast: true });
  } finally {
    held?.release();
  }

  function handOver(part: HashedPart): HashedPart {
    held = undefined;
    return part;
  }
}

async function hashPart(chunk: Chunk, whole: Hash, { hash, signal }: ExpectedContent): Promise<HashedPart> {
  const { index, length } = chunk;
  const release = chunk.keep?.() ?? ((): void => undefined);
  try {
    const sha = createHash('sha256');
    let checksum = 0;
    let readBytes = 0;
    for await (const piece of chunk.stream()) {
      signal.throwIfAborted();
      readBytes += piece.length;
      if (readBytes > length) break;
      whole.update(piece);
      sha.update(piece);
      checksum = crc32(piece, checksum);
    }
    if (readBytes !== length) throw sizeMismatch(hash, length, readBytes);
    const stream = (): AsyncIterable<Uint8Array> => samePieces(chunk, checksum);
    return { number: index + 1, length, sha256: sha.digest('hex'), isLast: false, stream, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Checked before the last piece goes out: a part that changed since it was hashed never arrives whole. */
async function* samePieces(chunk: Chunk, checksum: number): AsyncGenerator<Uint8Array, void, undefined> {
  let crc = 0;
  let sentBytes = 0;
  for await (const piece of chunk.stream()) {
    crc = crc32(piece, crc);
    sentBytes += piece.length;
    if (sentBytes > chunk.length || (sentBytes === chunk.length && crc !== checksum)) throw changed(chunk);
    yield piece;
  }
  if (sentBytes !== chunk.length) throw changed(chunk);
}

function changed({ offset, length }: Chunk): ClipctlError {
  return new ClipctlError('DIGEST_MISMATCH', `the content changed between ${offset} and ${offset + length} while it was sent`, {
    details: { offset, length },
  });
}

function digestMismatch(hash: ContentHash, found: string): ClipctlError {
  return new ClipctlError('DIGEST_MISMATCH', `content should be sha256:${hash}, it is sha256:${found}`, {
    details: { expected: `sha256:${hash}`, found: `sha256:${found}` },
  });
}
