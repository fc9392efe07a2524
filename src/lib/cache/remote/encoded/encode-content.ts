/** Content as seekable zstd: a frame for each 4 MiB, then the seek table. `zstd -dc` gives the content back. */
import { ClipctlError } from '../../../errors.ts';
import type { FrameEncoder } from '../../../compression/zstd/frame-encoder.ts';
import { FRAME_BYTES, MAX_PACKED_FRAME_BYTES, MAX_TABLE_FRAMES, seekTablePieces } from '../../../compression/zstd/seek-table.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import { ContentCheck } from '../../content-check.ts';
import { piecesOfSource } from '../../write-verified.ts';

/** Content of a frame and what becomes of it. */
export const ENCODING_BYTES = FRAME_BYTES + MAX_PACKED_FRAME_BYTES;

export interface ContentToEncode {
  readonly hash: ContentHash;
  /** `undefined`: the hash alone says it is right. */
  readonly sizeBytes: number | undefined;
  readonly encoder: FrameEncoder;
  /** ENCODING_BYTES that are the encoder's until the iteration ends. */
  readonly memory: Buffer;
  readonly signal: AbortSignal;
}

/**
 * The stored form in pieces, each valid until the next one is asked for. The seek table comes, and the iteration ends,
 * only when the whole content has proven right.
 * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, INTERNAL; what the source throws
 */
export async function* encodeContent(source: ChunkSource, to: ContentToEncode): AsyncGenerator<Uint8Array, void, undefined> {
  const check = new ContentCheck(to.hash, to.sizeBytes);
  const content = to.memory.subarray(0, FRAME_BYTES);
  const packed = to.memory.subarray(FRAME_BYTES, ENCODING_BYTES);
  const packedBytes: number[] = [];
  const pack = async (bytes: number): Promise<Uint8Array> => {
    to.signal.throwIfAborted();
    if (packedBytes.length === MAX_TABLE_FRAMES) throw tooLong(to.hash);
    const length = await to.encoder.encode(content.subarray(0, bytes), packed);
    packedBytes.push(length);
    return packed.subarray(0, length);
  };
  let filled = 0;
  for await (const piece of piecesOfSource(source, () => undefined)) {
    check.take(piece);
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + FRAME_BYTES - filled);
      content.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < FRAME_BYTES) continue;
      yield await pack(filled);
      filled = 0;
    }
  }
  to.signal.throwIfAborted();
  check.finish();
  if (filled > 0) yield await pack(filled);
  yield* seekTablePieces(packedBytes, check.seenBytes);
}

function tooLong(hash: ContentHash): ClipctlError {
  const maxBytes = MAX_TABLE_FRAMES * FRAME_BYTES;
  return new ClipctlError('LIMIT_LAYER_SIZE', `content ${hash} is too long to be packed: at most ${maxBytes} bytes`, {
    details: { maxBytes },
    hint: 'Push it with --compress none.',
  });
}
