/**
 * One layer, one pass (DESIGN §2), the compressed side: bytes ─▶ hash, count ─▶ decompress ─▶ outputs, and at the end
 * size and digest are checked. Breakage of the bytes does not stop the hash: a flipped bit shows up as a broken stream
 * first, but the honest message names both digests.
 */
import { createHash } from 'node:crypto';
import { createDecoder } from '../compression/open-decoder.ts';
import type { Checkpoint, Decoder, DecodeResult, LargeWindowPermit, OutputSink } from '../compression/decoder.ts';
import type { ResumeState } from '../cache/disk/ingest/find-resume.ts';
import type { OwnFile } from '../cache/own-file.ts';
import type { ResumeFrom, ResumePointListener } from '../compression/resume-point.ts';
import { sniffCompression } from '../compression/sniff.ts';
import { ClipctlError, errorCodeOf } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { DecodedFacts, LayerJob } from './layer-job.ts';
import { readWindow } from './partial-file.ts';
import { Spool } from './spool.ts';

/** Errors that say "these bytes are broken", which a wrong digest explains better. */
const BROKEN_BYTES: ReadonlySet<ErrorCode> = new Set(['LAYER_CORRUPT', 'TAR_INVALID', 'UNSUPPORTED_MEDIA_TYPE']);

export interface LayerPassSinks {
  /** Takes the decompressed bytes; a view is valid only during the call. */
  readonly onOutput: OutputSink;
  /** Told of checkpoints, in order. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
  /** Told of places to go on from, after the output before them. */
  readonly onResumePoint?: ResumePointListener;
  readonly largeWindows?: LargeWindowPermit;
  /** See DecoderOptions. */
  readonly awaitReaders?: () => void;
}

export class LayerPass {
  readonly #job: LayerJob;
  readonly #hash = createHash('sha256');
  readonly #decoder: Decoder;
  readonly #resumed: Extract<ResumeState, { kind: 'points' }> | undefined;
  #spool: Spool | undefined;
  #compressedBytes: number;
  #broken: unknown;

  constructor(job: LayerJob, { onOutput, onCheckpoint, onResumePoint, largeWindows, awaitReaders }: LayerPassSinks) {
    this.#job = job;
    this.#resumed = job.journal?.resume?.kind === 'points' ? job.journal.resume : undefined;
    this.#compressedBytes = this.#resumed?.keptBytes ?? 0;
    this.#decoder = createDecoder({
      limits: job.limits,
      onOutput,
      ...(job.journal && onCheckpoint && { onCheckpoint }),
      ...(job.journal && onResumePoint && { onResumePoint }),
      ...(this.#resumed && job.ingestFile && { resume: resumeFrom(this.#resumed, job.ingestFile) }),
      // The diffID is compared, which says more than CRC-32 does.
      skipChecksum: job.checksums !== true,
      checkpointIntervalBytes: job.checkpointIntervalBytes,
      ...(largeWindows && { largeWindows }),
      ...(awaitReaders && { awaitReaders }),
    });
  }

  /** @throws ClipctlError SIZE_MISMATCH when more comes than promised, LIMIT_* for a bomb, STORAGE_* */
  async write(input: Uint8Array): Promise<void> {
    this.#compressedBytes += input.length;
    if (this.#compressedBytes > this.#job.expected.sizeBytes) throw this.#sizeMismatch('more than');
    this.#hash.update(input);
    this.#keep(input);
    if (this.#broken !== undefined) return;
    try {
      await this.#decoder.write(input);
    } catch (error) {
      this.#noteBroken(error);
    }
  }

  /** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, LAYER_CORRUPT */
  async finish(): Promise<DecodedFacts> {
    const { expected } = this.#job;
    if (this.#compressedBytes < expected.sizeBytes) throw this.#sizeMismatch('only');
    if (this.#resumed !== undefined) {
      const { keptBytes } = this.#resumed;
      return { ...(await this.#finishDecoder()), digest: expected.digest, verifiedBy: 'diffId', resumedBytes: keptBytes };
    }
    const digest = `sha256:${this.#hash.digest('hex')}` as Digest;
    if (digest !== expected.digest) throw this.#digestMismatch(digest);
    const resumedBytes = this.#job.journal?.resume?.keptBytes ?? 0;
    return { ...(await this.#finishDecoder()), digest, verifiedBy: 'digest+diffId', resumedBytes };
  }

  /** Frees the decoder; after `finish` or after a failure. */
  close(): void {
    this.#decoder.close();
    this.#spool?.close();
  }

  /** A zstd layer can't be taken up inside of a frame: its compressed bytes are kept until the commit. */
  #keep(input: Uint8Array): void {
    const { journal, isFlushed } = this.#job;
    const isFirst = this.#compressedBytes === input.length;
    if (isFirst && journal?.isSpooled === true && sniffCompression(input) === 'zstd') this.#spool = new Spool(journal, isFlushed);
    this.#spool?.write(input);
  }

  async #finishDecoder(): Promise<DecodeResult> {
    if (this.#broken !== undefined) throw this.#broken as Error;
    return this.#decoder.finish();
  }

  #noteBroken(error: unknown): void {
    // The digest of a resumed layer is never known: nothing explains it better.
    if (!BROKEN_BYTES.has(errorCodeOf(error)) || this.#resumed !== undefined) throw error;
    this.#broken = error;
  }

  #sizeMismatch(how: 'only' | 'more than'): ClipctlError {
    const { digest, sizeBytes } = this.#job.expected;
    const actual = how === 'only' ? this.#compressedBytes : sizeBytes;
    return new ClipctlError('SIZE_MISMATCH', `layer ${digest}: ${how} ${actual} bytes came, its descriptor says ${sizeBytes}`, {
      details: { digest, expectedBytes: sizeBytes, actualBytes: this.#compressedBytes },
    });
  }

  #digestMismatch(actual: Digest): ClipctlError {
    const { digest } = this.#job.expected;
    return new ClipctlError('DIGEST_MISMATCH', `layer has the wrong digest: expected ${digest}, got ${actual}`, {
      cause: this.#broken,
      details: { expected: digest, actual },
      hint: 'Nothing of this layer was kept. The image, or what served it, is damaged.',
    });
  }
}

function resumeFrom({ point, earlier }: Extract<ResumeState, { kind: 'points' }>, file: OwnFile): ResumeFrom {
  return { point, earlier, readOutput: (start, end) => readWindow(file, start, end) };
}
