import { createHash } from 'node:crypto';
import { ClipctlError } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { ChunkSource } from './chunk-source.ts';
import { piecesOfSource, sizeMismatch } from './write-verified.ts';

export interface VerifiedPieces {
  readonly hash: ContentHash;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  readonly onChunk: () => void;
}

/**
 * The pieces of a source for a server that publishes what it has got in full: the last byte is held back until the hash
 * has proven right, so that wrong content breaks off and is never complete.
 * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH; what the source throws
 */
export async function* verifiedPieces(
  source: ChunkSource,
  expected: VerifiedPieces,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { hash, sizeBytes, signal, onChunk } = expected;
  const sha = createHash('sha256');
  let seenBytes = 0;
  let last: Buffer | undefined;
  for await (const piece of piecesOfSource(source, onChunk)) {
    signal.throwIfAborted();
    seenBytes += piece.byteLength;
    if (seenBytes > sizeBytes) throw sizeMismatch(hash, sizeBytes, seenBytes);
    sha.update(piece);
    const isEnd = seenBytes === sizeBytes && piece.byteLength > 0;
    if (isEnd) last = Buffer.from(piece.subarray(-1));
    yield isEnd ? piece.subarray(0, -1) : piece;
  }
  signal.throwIfAborted();
  if (seenBytes !== sizeBytes) throw sizeMismatch(hash, sizeBytes, seenBytes);
  const found = sha.digest('hex');
  if (found !== hash) {
    throw new ClipctlError('DIGEST_MISMATCH', `content should be sha256:${hash}, it is sha256:${found}`, {
      details: { expected: `sha256:${hash}`, found: `sha256:${found}` },
    });
  }
  if (last !== undefined) yield last;
}
