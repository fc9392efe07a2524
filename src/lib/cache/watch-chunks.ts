import type { Chunk, ChunkSource } from './chunk-source.ts';

/** Who wants to know how a driver gets on with a source. */
export interface ChunkWatcher {
  /** The driver has a piece and works on it. */
  wait(): void;
  /** The driver waits for the source. */
  pause(): void;
  /** It is done with so many more bytes, or sends them a second time. */
  count(bytes: number): void;
  /** It has been given the last chunk. */
  finish?(): void;
}

/** The same source, watched. */
export function watchChunks(source: ChunkSource, watcher: ChunkWatcher): ChunkSource {
  return {
    ...(source.isOnePass === undefined ? {} : { isOnePass: source.isOnePass }),
    [Symbol.asyncIterator]: () => chunksOf(source, watcher),
  };
}

async function* chunksOf(source: ChunkSource, watcher: ChunkWatcher): AsyncGenerator<Chunk, void, undefined> {
  for await (const chunk of eachWatched(source, watcher)) {
    yield { ...chunk, stream: () => eachWatched(chunk.stream(), watcher, (piece) => watcher.count(piece.length)) };
  }
  watcher.finish?.();
}

/** The items; the time between them is the driver's. */
async function* eachWatched<T>(
  items: AsyncIterable<T>,
  watcher: ChunkWatcher,
  onDone?: (item: T) => void,
): AsyncGenerator<T, void, undefined> {
  watcher.pause();
  for await (const item of items) {
    watcher.wait();
    yield item;
    watcher.pause();
    onDone?.(item);
  }
  watcher.wait();
}
