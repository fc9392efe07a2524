/**
 * Decompressed bytes on their way from the thread that inflates to the thread that hashes, scans and writes (ENGINE §4,
 * split C): four slots behind the input slots of the same shared memory. The writer blocks when all are full, so nothing
 * grows; the reader is driven by messages.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Checkpoint } from '../compression/decoder.ts';
import type { ResumePoint } from '../compression/resume-point.ts';
import { ClipctlError } from '../errors.ts';
import { SLOT_BYTES, SLOTS_BYTES, type OutputLink } from './layer-job.ts';

const RING_SLOTS = 4;
const CONTROL_OFFSET = SLOTS_BYTES + RING_SLOTS * SLOT_BYTES;
/** Input slots, output slots, and three counters. */
export const SHARED_BYTES = CONTROL_OFFSET + 64;

const WRITTEN = 0;
const READ = 1;
const STOPPED = 2;

/** What goes into the journal, between the bytes before and behind it. */
export type RingNote = { readonly point: ResumePoint } | { readonly checkpoint: Checkpoint };

/** Bytes in the next slot, or no more. */
export type RingContent = { readonly length: number } | 'end';

export type RingMessage = RingContent | RingNote;

function openRing(shared: SharedArrayBuffer): { slots: Uint8Array; control: Int32Array } {
  return {
    slots: new Uint8Array(shared, SLOTS_BYTES, RING_SLOTS * SLOT_BYTES),
    control: new Int32Array(shared, CONTROL_OFFSET, 3),
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

  /** Says something of what was written so far. */
  tell(note: RingNote): void {
    this.#port.postMessage(note satisfies RingMessage);
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

  /** Hands the next slot to `use`, then frees it. */
  take(length: number, use: (view: Uint8Array) => void): void {
    use(this.next(length));
    this.free();
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
