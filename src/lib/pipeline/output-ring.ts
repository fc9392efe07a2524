/**
 * Decompressed bytes on their way from a worker to the main thread, which may not wait: a few slots behind the input slots of
 * the same shared memory. The writer blocks when all are full, so nothing grows; the reader is driven by messages.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Checkpoint } from '../compression/decoder.ts';
import type { ResumePoint } from '../compression/resume-point.ts';
import { ClipctlError } from '../errors.ts';
import { SLOT_BYTES, SLOTS_BYTES, type OutputLink } from './layer-job.ts';

export const RING_SLOTS = 3;
const CONTROL_OFFSET = SLOTS_BYTES + RING_SLOTS * SLOT_BYTES;
const CONTROL_BYTES = 1024;
/** Input slots, output slots, and what a handover needs (handover.ts). */
export const SHARED_BYTES = CONTROL_OFFSET + CONTROL_BYTES;

const WRITTEN = 0;
const READ = 1;
const STOPPED = 2;

/** What goes into the journal, between the bytes before and behind it (handover.ts). */
export type RingNote = { readonly point: ResumePoint } | { readonly checkpoint: Checkpoint };

/** Bytes in the next slot, or no more. */
export type RingMessage = { readonly length: number } | 'end';

/** The memory of a ring, or of a handover. */
export function openRing(shared: SharedArrayBuffer): { slots: Uint8Array; control: Int32Array } {
  return {
    slots: new Uint8Array(shared, SLOTS_BYTES, RING_SLOTS * SLOT_BYTES),
    control: new Int32Array(shared, CONTROL_OFFSET, CONTROL_BYTES / 4),
  };
}

/** The side that inflates. */
export class RingWriter {
  readonly #port: MessagePort;
  readonly #slots: Uint8Array;
  readonly #control: Int32Array;

  constructor({ shared, port }: OutputLink) {
    const { slots, control } = openRing(shared);
    control.fill(0);
    this.#slots = slots;
    this.#control = control;
    this.#port = port;
  }

  /** Copies the bytes into the ring; waits for room. @throws ClipctlError ABORTED when the reader has stopped */
  write(view: Uint8Array): void {
    for (let at = 0; at < view.length; at += SLOT_BYTES) this.#put(view.subarray(at, at + SLOT_BYTES));
  }

  /** All is written. */
  end(): void {
    this.#port.postMessage('end' satisfies RingMessage);
  }

  #put(piece: Uint8Array): void {
    const written = Atomics.load(this.#control, WRITTEN);
    for (let read = Atomics.load(this.#control, READ); written - read >= RING_SLOTS; read = Atomics.load(this.#control, READ)) {
      Atomics.wait(this.#control, READ, read);
      if (Atomics.load(this.#control, STOPPED) !== 0)
        throw new ClipctlError('ABORTED', 'the output side of this layer has stopped');
    }
    this.#slots.set(piece, (written % RING_SLOTS) * SLOT_BYTES);
    // Counts far above the slots: 2^31 slots of 256 KiB are 512 TiB, more than any layer may be.
    Atomics.store(this.#control, WRITTEN, written + 1);
    this.#port.postMessage({ length: piece.length } satisfies RingMessage);
  }
}

/** The side that hashes, scans and writes. */
export class RingReader {
  readonly #slots: Uint8Array;
  readonly #control: Int32Array;
  #at = 0;

  constructor({ shared }: OutputLink) {
    const { slots, control } = openRing(shared);
    this.#slots = slots;
    this.#control = control;
  }

  /** The next slot, which stays taken until it is freed. */
  next(length: number): Uint8Array {
    const start = (this.#at % RING_SLOTS) * SLOT_BYTES;
    return this.#slots.subarray(start, start + length);
  }

  free(): void {
    this.#at++;
    Atomics.add(this.#control, READ, 1);
    Atomics.notify(this.#control, READ);
  }

  /** Wakes a writer that waits for room that will never come. */
  stop(): void {
    Atomics.store(this.#control, STOPPED, 1);
    Atomics.add(this.#control, READ, 1);
    Atomics.notify(this.#control, READ);
  }
}
