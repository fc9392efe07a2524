/** A source whose own errors are told from those of whoever reads it. */
import type { ChunkSource } from './chunk-source.ts';

export interface SourceTap {
  readonly onFailure: (error: unknown) => void;
}

/** A tap that keeps the first failure. */
export function failureTap(): { readonly tap: SourceTap; readonly failure: { readonly error: unknown } | undefined } {
  let failure: { readonly error: unknown } | undefined;
  return {
    tap: { onFailure: (error) => (failure ??= { error }) },
    get failure() {
      return failure;
    },
  };
}

/** The same chunks, each stream of them watched. */
export function tapChunks(source: ChunkSource, tap: SourceTap): ChunkSource {
  return {
    ...(source.isOnePass === undefined ? {} : { isOnePass: source.isOnePass }),
    async *[Symbol.asyncIterator]() {
      for await (const chunk of tapPieces(source, tap)) yield { ...chunk, stream: () => tapPieces(chunk.stream(), tap) };
    },
  };
}

/** The same items, watched. May be iterated as often as `items` may. */
export function tapPieces<T>(items: AsyncIterable<T>, tap: SourceTap): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => watched(items, tap) };
}

async function* watched<T>(items: AsyncIterable<T>, tap: SourceTap): AsyncGenerator<T, void, undefined> {
  try {
    yield* items;
  } catch (error) {
    tap.onFailure(error);
    throw error;
  }
}
