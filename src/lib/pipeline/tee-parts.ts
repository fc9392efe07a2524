/** One stream of parts as a source for several remote caches: a part is released when the slowest is done with it. */
import type { Chunk, ChunkSource } from '../cache/chunk-source.ts';
import { ClipctlError } from '../errors.ts';
import type { LayerPart } from './layer-parts.ts';

/** Progress and hashing go by pieces. */
const PIECE_BYTES = 1 << 20;

/**
 * A source for one remote. It is closed when the store has ended, not when somebody gave up waiting for it: what the
 * remote's driver did not let go is let go then, and its bytes may change.
 */
export interface PartSource extends ChunkSource {
  close(): void;
}

export interface PartTee {
  readonly sources: readonly PartSource[];
  /** What the parts themselves failed with, as opposed to who takes them. */
  readonly failure: () => unknown;
  /** Of the whole content; `undefined` when nobody took all of it. */
  readonly sizeBytes: () => number | undefined;
}

/** Pulls the parts as they are asked for. A failure of the parts fails every source. */
export function teeParts(parts: AsyncIterable<LayerPart>, count: number): PartTee {
  const tee = new Tee(parts, count);
  return {
    sources: Array.from({ length: count }, (_, at) => tee.source(at)),
    failure: () => tee.failure,
    sizeBytes: () => tee.sizeBytes,
  };
}

/** A part as long as somebody needs it: after that its bytes are nobody's, and not kept from the garbage collector. */
class SharedPart {
  #part: LayerPart | undefined;
  #holders: number;

  constructor(part: LayerPart, holders: number) {
    this.#part = part;
    this.#holders = holders;
  }

  get part(): LayerPart {
    if (this.#part === undefined) throw new ClipctlError('INTERNAL', 'a part was read after it was let go');
    return this.#part;
  }

  hold(): void {
    this.#holders++;
  }

  letGo(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#part?.release();
    this.#part = undefined;
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.part.bytes.length; at += PIECE_BYTES) yield this.part.bytes.subarray(at, at + PIECE_BYTES);
  }
}

class Tee {
  failure: unknown;
  sizeBytes: number | undefined;
  #pulledBytes = 0;
  readonly #iterator: AsyncIterator<LayerPart>;
  /** By source: the index of the part it takes next; absent when it has left. */
  readonly #positions = new Map<number, number>();
  readonly #begun = new Set<number>();
  /** By source: how to let go of what it holds. */
  readonly #holds = new Map<number, Set<() => void>>();
  readonly #shared: SharedPart[] = [];
  #pulling: Promise<void> | undefined;
  #isOver = false;

  constructor(parts: AsyncIterable<LayerPart>, count: number) {
    this.#iterator = parts[Symbol.asyncIterator]();
    for (let at = 0; at < count; at++) this.#positions.set(at, 0);
  }

  source(at: number): PartSource {
    return { isOnePass: true, [Symbol.asyncIterator]: () => this.#chunks(at), close: () => this.#close(at) };
  }

  async *#chunks(at: number): AsyncGenerator<Chunk, void, undefined> {
    if (this.#begun.has(at)) throw spent();
    this.#begun.add(at);
    try {
      for (let index = 0; this.#positions.has(at); index++) {
        const shared = await this.#partAt(index);
        if (shared === undefined || !this.#positions.has(at)) return;
        this.#positions.set(at, index + 1);
        const letGo = this.#held(at, shared);
        try {
          yield chunkOf(shared, index, () => {
            shared.hold();
            return this.#held(at, shared);
          });
        } finally {
          letGo();
        }
      }
    } finally {
      this.#leave(at);
    }
  }

  async #partAt(index: number): Promise<SharedPart | undefined> {
    while (index >= this.#shared.length && !this.#isOver) await (this.#pulling ??= this.#pull());
    if (this.failure !== undefined) throw this.failure as Error;
    return this.#shared[index];
  }

  async #pull(): Promise<void> {
    try {
      const next = await this.#iterator.next();
      if (next.done === true) {
        this.#isOver = true;
        this.sizeBytes = this.#pulledBytes;
        return;
      }
      this.#pulledBytes += next.value.bytes.length;
      this.#shared.push(new SharedPart(next.value, this.#positions.size));
    } catch (error) {
      this.failure = error;
      this.#isOver = true;
    } finally {
      this.#pulling = undefined;
    }
  }

  /** A hold that the source has from now on. @returns lets go, once */
  #held(at: number, shared: SharedPart): () => void {
    const holds = this.#holds.get(at) ?? new Set();
    this.#holds.set(at, holds);
    const letGo = (): void => {
      if (holds.delete(letGo)) shared.letGo();
    };
    holds.add(letGo);
    return letGo;
  }

  #close(at: number): void {
    this.#leave(at);
    for (const letGo of this.#holds.get(at) ?? []) letGo();
  }

  /** Lets go of the parts it will not take; the last to leave ends the parts. */
  #leave(at: number): void {
    const position = this.#positions.get(at);
    if (position === undefined) return;
    this.#positions.delete(at);
    for (const shared of this.#shared.slice(position)) shared.letGo();
    if (this.#positions.size > 0 || this.#isOver) return;
    this.#isOver = true;
    // It frees memory and stops the source; nobody is left to hear how that went.
    Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }
}

function chunkOf(shared: SharedPart, index: number, keep: () => () => void): Chunk {
  const { offset, bytes, isLast } = shared.part;
  return { index, offset, length: bytes.length, isLast, stream: () => shared.pieces(), keep };
}

function spent(): ClipctlError {
  return new ClipctlError('NETWORK', 'the store failed, and what goes straight through can not be sent again', {
    retryable: false,
    hint: 'Without --no-disk the layer is sent from the disk cache, as often as it takes.',
  });
}
