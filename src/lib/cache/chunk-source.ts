/** The unit of a remote cache, 32 MiB: the seed's constant, an S3 part, a group of gRPC messages. */
export const CHUNK_BYTES = 1 << 25;

/** One chunk of some content. It is no buffer: its bytes are read when it is sent, and read again when it is retried. */
export interface Chunk {
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  /**
   * The bytes, in pieces that come out of the memory budget. A piece is valid until the next one is asked for: who
   * needs it longer copies it. May be called again for a retry.
   * @throws ClipctlError STORAGE_ERROR, SIZE_MISMATCH when the file shrank
   */
  stream(): AsyncIterable<Uint8Array>;
  /**
   * Only of a one-pass source, whose chunks are buffers of 8 MiB: by itself a chunk can be read until the next one is
   * asked for. Who sends several at once keeps each, and lets it go (the function it gets) when it is acknowledged.
   * The iteration ends all the same: the last chunk may be kept until nothing is known to follow.
   */
  keep?(): () => void;
  /** Of a one-pass source: nothing follows. Who waited for the next chunk to know would hold the buffer it needs. */
  readonly isLast?: boolean;
}

/** Chunks in order, without gaps; the last one may be short. Empty content has no chunk. */
export interface ChunkSource extends AsyncIterable<Chunk> {
  /**
   * The content comes straight through from elsewhere (`--no-disk`) and can be iterated once: a store that fails is not
   * tried again with it, a chunk that fails is (`keep`). Its last chunk is yielded, and its end reached, only after the
   * content has proven right: who publishes at the end of the iteration publishes nothing wrong.
   */
  readonly isOnePass?: boolean;
}
