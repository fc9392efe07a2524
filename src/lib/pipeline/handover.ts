/**
 * Decompressed bytes on their way from the worker that inflates to the worker that hashes, scans and writes (ENGINE §4,
 * split C). They are read where they were decoded when threads share that memory, else they are copied into slots
 * behind the input slots. Each side sleeps only when it has nothing to do, and is woken only when it sleeps: a message
 * for each piece costs more than hashing a tenth of it.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { ClipctlError } from '../errors.ts';
import { SLOT_BYTES, type OutputLink } from './layer-job.ts';
import { openRing, RING_SLOTS, type RingNote } from './output-ring.ts';

/** Pieces that may wait; two areas of 1 MiB are eight full pieces. */
const PLACES = 64;
const WRITTEN = 0;
const READ = 1;
const STOPPED = 2;
/** Then, for each place, where the piece stands and how long it is. */
const FIRST_PLACE = 4;

/** In place of an address. */
const IN_SLOT = -1;
const NOTE = -2;
const END = -3;

/**
 * Compressed bytes that may be decoded and not read yet, where the reader writes them down: a killed process loses them. Of a
 * layer that hardly packs the two areas alone would hold 2 MiB of download.
 */
const MAX_AHEAD_BYTES = 256 * 1024;
/** Places in the download nearer to each other than this are one. */
const PLACE_BYTES = 64 * 1024;

/** A reader that waits lets its other events happen so often. */
const WAIT_MS = 50;
/** And so often while it works. */
const PIECES_AT_ONCE = 8;

/** Told once: the memory that addresses are of. */
interface MemoryNote {
  readonly memory: SharedArrayBuffer;
}

/** Forgets what the memory was used for before: to be called before either side begins. */
export function clearHandover(shared: SharedArrayBuffer): void {
  openRing(shared).control.fill(0);
}

/** The side that inflates. */
export class HandoverWriter {
  readonly #port: MessagePort;
  readonly #slots: Uint8Array;
  readonly #control: Int32Array;
  #memory: SharedArrayBuffer | undefined;
  #written = 0;
  #awaited = 0;
  /** Places in the download, and how many pieces are written up to there: those that may be unread. */
  readonly #unread: { readonly compressedOffset: number; readonly written: number }[] = [];

  constructor({ shared, port }: OutputLink) {
    const { slots, control } = openRing(shared);
    this.#slots = slots;
    this.#control = control;
    this.#port = port;
  }

  /** Waits for room. @throws ClipctlError ABORTED when the reader has stopped */
  write(view: Uint8Array): void {
    // Bytes of an uncompressed layer stand in the input slots, which are filled again as soon as this returns.
    const isInput = view.buffer === this.#slots.buffer;
    if (!isInput && view.buffer instanceof SharedArrayBuffer) return this.#lend(view, view.buffer);
    for (let at = 0; at < view.length; at += SLOT_BYTES) this.#copy(view.subarray(at, at + SLOT_BYTES));
  }

  /** Says something of what was written so far. */
  tell(note: RingNote | MemoryNote): void {
    this.#port.postMessage(note);
    this.#put(NOTE, 0, PLACES);
    if ('point' in note) this.#stayNear(note.point.compressedOffset);
  }

  /** All is written. */
  end(): void {
    this.#put(END, 0, PLACES);
  }

  /** DecoderOptions.awaitReaders */
  awaitReaders(): void {
    this.#awaitRead(this.#awaited);
    this.#awaited = this.#written;
  }

  #stayNear(compressedOffset: number): void {
    const last = this.#unread.at(-1)?.compressedOffset ?? -Infinity;
    if (compressedOffset - last < PLACE_BYTES) return;
    this.#unread.push({ compressedOffset, written: this.#written });
    for (let first = this.#unread[0]; first !== undefined && compressedOffset - first.compressedOffset > MAX_AHEAD_BYTES;) {
      this.#awaitRead(first.written);
      this.#unread.shift();
      first = this.#unread[0];
    }
  }

  #lend(view: Uint8Array, memory: SharedArrayBuffer): void {
    if (this.#memory !== memory) this.tell({ memory });
    this.#memory = memory;
    this.#put(view.byteOffset, view.length, PLACES);
  }

  #copy(piece: Uint8Array): void {
    this.#awaitRead(this.#written + 1 - RING_SLOTS);
    this.#slots.set(piece, (this.#written % RING_SLOTS) * SLOT_BYTES);
    this.#put(IN_SLOT, piece.length, RING_SLOTS);
  }

  #put(address: number, length: number, places: number): void {
    this.#awaitRead(this.#written + 1 - places);
    const place = FIRST_PLACE + 2 * (this.#written % PLACES);
    this.#control[place] = address;
    this.#control[place + 1] = length;
    this.#written++;
    Atomics.store(this.#control, WRITTEN, this.#written);
    Atomics.notify(this.#control, WRITTEN);
  }

  /** Until so many pieces have been read. */
  #awaitRead(count: number): void {
    for (let read = Atomics.load(this.#control, READ); read < count; read = Atomics.load(this.#control, READ)) {
      if (Atomics.load(this.#control, STOPPED) !== 0)
        throw new ClipctlError('ABORTED', 'the output side of this layer has stopped');
      Atomics.wait(this.#control, READ, read);
    }
  }
}

export interface HandoverSinks {
  /** Takes the next bytes; the view is valid during the call. */
  readonly onOutput: (view: Uint8Array) => void;
  readonly onNote: (note: RingNote) => void;
  /** All has come. */
  readonly onEnd: () => void;
  /** What a sink threw; nothing comes any more. */
  readonly onError: (error: unknown) => void;
}

/** The side that hashes, scans and writes: takes what comes until the end. Between pieces other events of the thread happen. */
export class HandoverReader {
  readonly #port: MessagePort;
  readonly #slots: Uint8Array;
  readonly #control: Int32Array;
  readonly #sinks: HandoverSinks;
  #memory: SharedArrayBuffer | undefined;
  #read = 0;

  constructor({ shared, port }: OutputLink, sinks: HandoverSinks) {
    const { slots, control } = openRing(shared);
    this.#slots = slots;
    this.#control = control;
    this.#port = port;
    this.#sinks = sinks;
  }

  /** @returns at once */
  start(): void {
    setImmediate(() => this.#takeSome());
  }

  #takeSome(): void {
    try {
      for (let left = PIECES_AT_ONCE; left > 0 && this.#isNextThere(); left--) {
        if (!this.#take()) return this.#sinks.onEnd();
      }
    } catch (error) {
      this.#stop();
      return this.#sinks.onError(error);
    }
    this.start();
  }

  #isNextThere(): boolean {
    if (Atomics.load(this.#control, WRITTEN) === this.#read) Atomics.wait(this.#control, WRITTEN, this.#read, WAIT_MS);
    return Atomics.load(this.#control, WRITTEN) !== this.#read;
  }

  /** @returns false at the end */
  #take(): boolean {
    const place = FIRST_PLACE + 2 * (this.#read % PLACES);
    const address = this.#control[place]!;
    if (address === END) return false;
    if (address === NOTE) this.#takeNote();
    else this.#sinks.onOutput(this.#viewOf(address, this.#control[place + 1]!));
    this.#read++;
    Atomics.store(this.#control, READ, this.#read);
    Atomics.notify(this.#control, READ);
    return true;
  }

  #viewOf(address: number, length: number): Uint8Array {
    if (address !== IN_SLOT) return new Uint8Array(this.#memoryOf(), address, length);
    const start = (this.#read % RING_SLOTS) * SLOT_BYTES;
    return this.#slots.subarray(start, start + length);
  }

  #memoryOf(): SharedArrayBuffer {
    if (this.#memory === undefined) throw new ClipctlError('INTERNAL', 'decoded bytes of a memory that nobody told of');
    return this.#memory;
  }

  #takeNote(): void {
    const received = receiveMessageOnPort(this.#port) as { readonly message: RingNote | MemoryNote } | undefined;
    if (received === undefined) throw new ClipctlError('INTERNAL', 'a note between decoded bytes is missing');
    const note = received.message;
    if ('memory' in note) this.#memory = note.memory;
    else this.#sinks.onNote(note);
  }

  /** Wakes a writer that waits for room that will never come. */
  #stop(): void {
    Atomics.store(this.#control, STOPPED, 1);
    Atomics.add(this.#control, READ, 1);
    Atomics.notify(this.#control, READ);
  }
}
