/** Pieces of any size, gathered into buffers of one size: parts and chunks that a server takes. */
export interface Gathered {
  readonly bytes: Buffer;
  /** Nothing follows: the pieces have ended without an error. */
  readonly isLast: boolean;
}

/**
 * Each buffer comes filled to its end, but for the last. It is its taker's until `nextBuffer` gives it out again.
 * @throws what `pieces` and `nextBuffer` throw
 */
export async function* gatherPieces(
  pieces: AsyncIterable<Uint8Array>,
  nextBuffer: () => Promise<Buffer>,
): AsyncGenerator<Gathered, void, undefined> {
  let buffer: Buffer | undefined;
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      if (buffer !== undefined && filled === buffer.length) {
        yield { bytes: buffer, isLast: false };
        buffer = undefined;
      }
      if (buffer === undefined) {
        buffer = await nextBuffer();
        filled = 0;
      }
      const part = piece.subarray(at, at + buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  }
  if (buffer !== undefined) yield { bytes: buffer.subarray(0, filled), isLast: true };
}
