/** What cache/ needs of the memory budget. `MemoryBudget` of pipeline/ fits; cache/ must not import pipeline/. */

/** A buffer on loan. */
export interface LeasedBuffer {
  readonly buffer: Buffer;
  /** Gives it back; a second call does nothing. */
  release(): void;
}

export interface BufferBudget {
  /** Waits for a buffer of exactly `bytes`. Call it only while holding none: else two waiters can starve each other. */
  acquireBuffer(bytes: number, signal?: AbortSignal): Promise<LeasedBuffer>;
  /** A buffer now, or `undefined`. */
  tryAcquireBuffer(bytes: number): LeasedBuffer | undefined;
}

/** Bytes in flight between a file and whoever sends or hashes it; two of them overlap reading with sending. */
export const PIECE_BYTES = 1 << 20;
