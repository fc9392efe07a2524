/**
 * Where pieces of a blob that came before their turn are kept, besides in memory: a process that is killed must not take
 * what it has loaded with it. Who reads a blob may bring one (cache/disk/ingest/ahead-file.ts).
 */

export interface AheadStore {
  /** What an earlier reader left, in the order of the blob, without overlaps. Never throws: what can't be read is not there. */
  kept(): Promise<readonly KeptRange[]>;
  /** Bytes of kept ranges that were read so far. */
  readonly replayedBytes: number;
  /** A place for the bytes from `start` on; undefined when there is none now. Never throws. */
  take(start: number): Promise<AheadShelf | undefined>;
  /** Ends the use; what was written stays. */
  close(): Promise<void>;
}

/** A stretch of the blob that need not be fetched. */
export interface KeptRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** @throws ClipctlError STORAGE_* */
  read(from: number, to: number): Promise<Buffer>;
  /** Its place may be used again. */
  release(): void;
}

export interface AheadShelf {
  /** The next bytes of the piece. What can't be written is not kept, and no error: it is in memory too. */
  add(bytes: Buffer): Promise<void>;
  /** Nothing more comes. */
  end(): Promise<void>;
  /** Its place may be used again; until then what was added can be found. */
  release(): void;
}
