/** What cache/ needs of the memory budget. `MemoryBudget` of pipeline/ fits; cache/ must not import pipeline/. */

export interface Lease {
  /** Gives it back; a second call does nothing. */
  release(): void;
}

/** A buffer on loan. */
export interface LeasedBuffer extends Lease {
  readonly buffer: Buffer;
}

export interface BufferBudget {
  /** Waits for a buffer of exactly `bytes`. Call it only while holding none: else two waiters can starve each other. */
  acquireBuffer(bytes: number, signal?: AbortSignal): Promise<LeasedBuffer>;
  /** A buffer now, or `undefined`. */
  tryAcquireBuffer(bytes: number): LeasedBuffer | undefined;
  /** Room now for bytes that somebody else keeps (a client's copy, replies on their way), or `undefined`. */
  tryAcquire(bytes: number): Lease | undefined;
}

/** Bytes in flight between a file and whoever sends or hashes it; two of them overlap reading with sending. */
export const PIECE_BYTES = 1 << 20;

/** Buffers up to here need no lease. */
export const SMALL_BYTES = 64 * 1024;

/** For a reader in pieces of SMALL_BYTES whose caller holds memory already: never waits. */
export const SMALL_BUFFERS: BufferBudget = {
  acquireBuffer: (bytes) => Promise.resolve(smallBuffer(bytes)),
  tryAcquireBuffer: (bytes) => smallBuffer(bytes),
  tryAcquire: () => undefined,
};

function smallBuffer(bytes: number): LeasedBuffer {
  return { buffer: Buffer.allocUnsafeSlow(Math.min(bytes, SMALL_BYTES)), release: () => undefined };
}
