/** Bytes on their way to a remote, watched: who waits for whom, and whose error it is. */
import type { ChunkSource } from './chunk-source.ts';

export interface SourceTap {
  /** The sender asks for bytes: from here on it is the source that takes time. */
  onAsked(): void;
  onPiece(bytes: number): void;
  /** The source has ended, or was left. */
  onEnd(): void;
  onFailure(error: unknown): void;
}

/** The same chunks, each stream of them watched. */
export function tapChunks(source: ChunkSource, tap: SourceTap): ChunkSource {
  return {
    ...(source.isOnePass === undefined ? {} : { isOnePass: source.isOnePass }),
    async *[Symbol.asyncIterator]() {
      try {
        for await (const chunk of source) yield { ...chunk, stream: () => tapPieces(chunk.stream(), tap) };
      } catch (error) {
        tap.onFailure(error);
        throw error;
      }
    },
  };
}

/** The same pieces, watched. May be iterated as often as `pieces` may. */
export function tapPieces(pieces: AsyncIterable<Uint8Array>, tap: SourceTap): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => watched(pieces, tap) };
}

async function* watched(pieces: AsyncIterable<Uint8Array>, tap: SourceTap): AsyncGenerator<Uint8Array, void, undefined> {
  let isAsked = true;
  tap.onAsked();
  try {
    for await (const piece of pieces) {
      isAsked = false;
      tap.onPiece(piece.byteLength);
      yield piece;
      isAsked = true;
      tap.onAsked();
    }
  } catch (error) {
    tap.onFailure(error);
    throw error;
  } finally {
    if (isAsked) tap.onPiece(0);
    tap.onEnd();
  }
}
