/**
 * The contract of a layer decoder: compressed bytes in, decompressed bytes out, in order, and at the end what was
 * learned on the way. The pipeline knows only this; gzip, zstd and identity implement it.
 */
import type { Checkpoint } from './checkpoint.ts';
import type { DecompressionLimits } from './limits.ts';
import type { ResumeFrom, ResumePointListener } from './resume-point.ts';

export type { Checkpoint } from './checkpoint.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

/** Which code decoded a layer (JSON field `decoder`). */
export type DecoderName = 'kernel' | 'node-zlib' | 'node-zstd' | 'wasm-zstd' | 'none';

/** A zstd frame (RFC 8878 §3.1.1). Skippable frames (§3.1.2) hold nothing to read and are not listed. */
export interface ZstdFrame {
  readonly compressedOffset: number;
  readonly compressedBytes: number;
  readonly uncompressedOffset: number;
  readonly uncompressedBytes: number;
}

export interface DecodeResult {
  readonly compression: Compression;
  readonly decoder: DecoderName;
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  readonly checkpoints: readonly Checkpoint[];
  readonly zstdFrames: readonly ZstdFrame[];
}

/**
 * Takes decompressed bytes. The view is valid only during the call: who wants to keep it copies it.
 * Throwing stops the decoder, and the error comes out of its `write` or `finish`.
 */
export type OutputSink = (output: Uint8Array) => void;

export interface Decoder {
  /** Takes the next compressed bytes; all output they yield has reached the sink when it returns or resolves. */
  write(input: Uint8Array): void | Promise<void>;
  /**
   * No more input.
   * @throws ClipctlError LAYER_CORRUPT when the stream is cut.
   */
  finish(): DecodeResult | Promise<DecodeResult>;
  /** Frees what the decoder holds; safe to call at any time, twice too. */
  close(): void;
}

/** Leave to have a zstd window above 8 MiB; one thread of the process has it at a time, until it ends. */
export interface LargeWindowPermit {
  /** Waits; a second call by the holder returns at once. */
  take(): void;
}

export interface DecoderOptions {
  readonly onOutput: OutputSink;
  readonly limits: DecompressionLimits;
  /** Output between two checkpoints of a gzip layer; default 4 MiB, 0 for none but the start. */
  readonly checkpointIntervalBytes?: number;
  /** Leave out the CRC-32 of gzip members: for who compares the sha256 of the output with a known diffID. */
  readonly skipChecksum?: boolean;
  /** Told of each checkpoint of a gzip layer, in order. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
  /** Told of places to go on from, after the output before them; where the format and the decoder have any. */
  readonly onResumePoint?: ResumePointListener;
  /** Go on here: only the compressed bytes from `firstByteOf` on will come. */
  readonly resume?: ResumeFrom;
  /** Asked before a large window is made; absent: any number of them. */
  readonly largeWindows?: LargeWindowPermit;
}
