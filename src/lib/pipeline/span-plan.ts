/**
 * How a layer that an index knows is cut into runs, so that several connections and cores work on it at once. A run
 * starts where a decoder can start: at a checkpoint (gzip), a frame (zstd), anywhere (plain tar).
 */
import type { Checkpoint, Compression, ZstdFrame } from '../compression/decoder.ts';
import { firstByteOf } from '../compression/gzip/gunzip-stream.ts';

/** What an index says of a layer, as far as cutting it needs. */
export interface LayerMap {
  readonly compression: Compression;
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  /** Ascending, the first at offset 0. */
  readonly checkpoints: readonly Checkpoint[];
  /** Ascending. */
  readonly zstdFrames: readonly ZstdFrame[];
}

/** One run: compressed bytes [start, end) give the decompressed bytes [start, end). */
export interface SpanRun {
  readonly compressedStart: number;
  readonly compressedEnd: number;
  readonly uncompressedStart: number;
  readonly uncompressedEnd: number;
  /** Only for gzip. */
  readonly checkpoint?: Checkpoint;
}

/** Compressed bytes of a run, at least: enough for a request to pay, little enough for cores to end together. */
export const RUN_BYTES = 8 * 1024 * 1024;

/** The runs of a layer in order; one or none when it is not worth cutting. */
export function planRuns(map: LayerMap, runBytes: number = RUN_BYTES): SpanRun[] {
  const starts = startsOf(map, runBytes);
  const chosen: Start[] = [];
  for (const start of starts) {
    const last = chosen.at(-1);
    const isWorthIt = map.compressedBytes - start.compressedStart >= runBytes / 2;
    if (last === undefined || (start.compressedStart - last.compressedStart >= runBytes && isWorthIt)) chosen.push(start);
  }
  return chosen.map((start, at) => {
    const next = chosen[at + 1];
    return {
      ...start,
      compressedEnd: next?.compressedLimit ?? map.compressedBytes,
      uncompressedEnd: next?.uncompressedStart ?? map.uncompressedBytes,
    };
  });
}

interface Start {
  readonly compressedStart: number;
  /** Where a run that ends here may stop reading. */
  readonly compressedLimit: number;
  readonly uncompressedStart: number;
  readonly checkpoint?: Checkpoint;
}

function startsOf(map: LayerMap, runBytes: number): Start[] {
  if (map.compression === 'gzip') return map.checkpoints.map(startOfCheckpoint);
  if (map.compression === 'zstd') {
    return map.zstdFrames.map(({ compressedOffset, uncompressedOffset }) => startAt(compressedOffset, uncompressedOffset));
  }
  const count = Math.ceil(map.compressedBytes / runBytes);
  return Array.from({ length: count }, (_, at) => startAt(at * runBytes, at * runBytes));
}

/** A checkpoint inside a byte needs that byte on both sides: the run before it ends with it, its own starts with it. */
function startOfCheckpoint(checkpoint: Checkpoint): Start {
  return {
    compressedStart: firstByteOf(checkpoint),
    compressedLimit: checkpoint.compressedOffset,
    uncompressedStart: checkpoint.uncompressedOffset,
    checkpoint,
  };
}

function startAt(compressedOffset: number, uncompressedOffset: number): Start {
  return { compressedStart: compressedOffset, compressedLimit: compressedOffset, uncompressedStart: uncompressedOffset };
}
