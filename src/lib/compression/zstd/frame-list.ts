import type { ZstdFrame } from '../decoder.ts';

/** Frames kept apart. A zstd:chunked layer has a few for each file; more than this only a very large or a hostile one. */
const MAX_FRAMES = 262_144;

/**
 * The frames of a layer in order, skippable ones left out. A frame may be ten bytes long, so the list is bounded: when it
 * is full, neighbours are joined in pairs. A run of frames starts, ends and decodes on its own just as one frame does.
 */
export class FrameList {
  readonly #maxFrames: number;
  #frames: ZstdFrame[] = [];
  /** How many frames make one item now: a power of two. */
  #runFrames = 1;
  #lastRunFrames = 0;

  constructor(maxFrames: number = MAX_FRAMES) {
    this.#maxFrames = maxFrames;
  }

  get frames(): readonly ZstdFrame[] {
    return this.#frames;
  }

  add(frame: ZstdFrame): void {
    const last = this.#frames.at(-1);
    if (last !== undefined && this.#lastRunFrames < this.#runFrames) {
      this.#frames[this.#frames.length - 1] = join(last, frame);
      this.#lastRunFrames += 1;
      return;
    }
    if (this.#frames.length >= this.#maxFrames) return this.#halveAndAdd(frame);
    this.#frames.push(frame);
    this.#lastRunFrames = 1;
  }

  #halveAndAdd(frame: ZstdFrame): void {
    const joined: ZstdFrame[] = [];
    this.#frames.forEach((first, index) => {
      const second = this.#frames[index + 1];
      if (index % 2 === 0) joined.push(second === undefined ? first : join(first, second));
    });
    this.#lastRunFrames = this.#frames.length % 2 === 0 ? this.#runFrames * 2 : this.#runFrames;
    this.#runFrames *= 2;
    this.#frames = joined;
    this.add(frame);
  }
}

/** Covers what lies between the two as well: skippable frames, which a decoder skips. */
function join(first: ZstdFrame, second: ZstdFrame): ZstdFrame {
  return {
    compressedOffset: first.compressedOffset,
    compressedBytes: second.compressedOffset + second.compressedBytes - first.compressedOffset,
    uncompressedOffset: first.uncompressedOffset,
    uncompressedBytes: second.uncompressedOffset + second.uncompressedBytes - first.uncompressedOffset,
  };
}
