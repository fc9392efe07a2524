/** One run of a layer in a worker: decompressed from its start, written straight into its place in the ingest file, or hashed. */
import type { LargeWindowPermit } from '../compression/decoder.ts';
import { createDecoder } from '../compression/open-decoder.ts';
import { createKernelInflate } from '../compression/gzip/kernel-inflate.ts';
import { DEFAULT_LIMITS } from '../compression/limits.ts';
import { ClipctlError } from '../errors.ts';
import type { SpanJob } from './layer-job.ts';
import { PlacedWriter } from './placed-writer.ts';
import { SpanHash } from './span-hash.ts';

/** What takes the compressed bytes of a run. */
interface RunDecoder {
  write(input: Uint8Array): void | Promise<void>;
  finish(): unknown;
  close(): void;
}

/** What takes the decompressed bytes of a run, no more than its place has room for. */
interface RunSink {
  readonly left: number;
  write(view: Uint8Array): void;
  /** All has come. The sha256 of what was not written. */
  finish(): Uint8Array | undefined;
  close(): void;
}

export class SpanPass {
  readonly #job: SpanJob;
  readonly #sink: RunSink;
  readonly #decoder: RunDecoder;

  /** @throws ClipctlError STORAGE_*, CLIP_INVALID for an unusable checkpoint */
  constructor(job: SpanJob, largeWindows?: LargeWindowPermit) {
    const { run } = job;
    this.#job = job;
    const place = { start: run.uncompressedStart, end: run.uncompressedEnd };
    this.#sink = job.ingestFile === undefined ? new SpanHash(place) : new PlacedWriter(job.ingestFile, place);
    try {
      this.#decoder = this.#openDecoder(largeWindows);
    } catch (error) {
      this.#sink.close();
      throw error;
    }
  }

  /** @throws ClipctlError LAYER_CORRUPT, SIZE_MISMATCH when the run gives more than the index says, STORAGE_* */
  async write(input: Uint8Array): Promise<void> {
    await this.#decoder.write(input);
  }

  /** The sha256 of what was not written. @throws ClipctlError LAYER_CORRUPT, SIZE_MISMATCH when the run gave less than the index says, STORAGE_* */
  async finish(): Promise<Uint8Array | undefined> {
    await this.#decoder.finish();
    const { left } = this.#sink;
    if (left > 0) throw new ClipctlError('SIZE_MISMATCH', `a span of layer ${this.#job.digest} ends ${left} bytes early`);
    return this.#sink.finish();
  }

  close(): void {
    this.#decoder.close();
    this.#sink.close();
  }

  #openDecoder(largeWindows?: LargeWindowPermit): RunDecoder {
    const { run } = this.#job;
    const onOutput = (view: Uint8Array): void => this.#sink.write(view);
    if (run.checkpoint === undefined)
      return createDecoder({ onOutput, limits: DEFAULT_LIMITS, ...(largeWindows && { largeWindows }) });
    return createKernelInflate({ checkpoint: run.checkpoint, endOffset: run.uncompressedEnd, onOutput });
  }
}
