/**
 * At most one zstd window above 8 MiB at a time in the process (DESIGN §2): decoder windows are no waiting bytes, so the
 * budget does not bound them. One shared cell holds the thread that has the permit, 0 when it is free.
 */
import type { LargeWindowPermit } from '../compression/decoder.ts';

const FREE = 0;

/** The cell that all workers of a pool share. */
export function createPermitCell(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/**
 * The permit as a worker uses it: waiting blocks the thread, which has nothing else to do. It is never given back by the
 * worker: a WebAssembly memory lives until a garbage collection, so the pool ends the worker and frees the permit then.
 */
export function openPermit(cell: Int32Array, threadId: number): LargeWindowPermit {
  return {
    take: () => {
      for (let holder = Atomics.compareExchange(cell, 0, FREE, threadId); holder !== FREE && holder !== threadId;) {
        Atomics.wait(cell, 0, holder);
        holder = Atomics.compareExchange(cell, 0, FREE, threadId);
      }
    },
  };
}

/** Whether this thread has the permit. */
export function hasPermit(cell: Int32Array, threadId: number): boolean {
  return Atomics.load(cell, 0) === threadId;
}

/** Frees the permit of a thread that has ended. */
export function releasePermit(cell: Int32Array, threadId: number): void {
  if (Atomics.compareExchange(cell, 0, threadId, FREE) === threadId) Atomics.notify(cell, 0);
}
