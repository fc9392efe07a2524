/**
 * One layer, one pass (DESIGN §2), the compressed side: bytes ─▶ hash, count ─▶ decompress ─▶ outputs, and at the end
 * size and digest are checked. Breakage of the bytes does not stop the hash: a flipped bit shows up as a broken stream
 * first, but the honest message names both digests.
 */
import { createHash } from 'node:crypto';
import { createDecoder } from '../compression/open-decoder.ts';
import type { Decoder, DecodeResult, LargeWindowPermit, OutputSink } from '../compression/decoder.ts';
import { ClipctlError, errorCodeOf } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { DecodedFacts, LayerJob } from './layer-job.ts';

/** Errors that say "these bytes are broken", which a wrong digest explains better. */
const BROKEN_BYTES: ReadonlySet<ErrorCode> = new Set(['LAYER_CORRUPT', 'TAR_INVALID', 'UNSUPPORTED_MEDIA_TYPE']);

export class LayerPass {
  readonly #job: LayerJob;
  readonly #hash = createHash('sha256');
  readonly #decoder: Decoder;
  #compressedBytes = 0;
  #broken: unknown;

  /** @param onOutput takes the decompressed bytes; a view is valid only during the call */
  constructor(job: LayerJob, onOutput: OutputSink, largeWindows?: LargeWindowPermit) {
    this.#job = job;
    this.#decoder = createDecoder({
      limits: job.limits,
      onOutput,
      // The diffID is compared, which says more than CRC-32 does.
      skipChecksum: job.checksums !== true,
      checkpointIntervalBytes: job.checkpointIntervalBytes,
      ...(largeWindows && { largeWindows }),
    });
  }

  /** @throws ClipctlError SIZE_MISMATCH when more comes than promised, LIMIT_* for a bomb, STORAGE_* */
  async write(input: Uint8Array): Promise<void> {
    this.#compressedBytes += input.length;
    if (this.#compressedBytes > this.#job.expected.sizeBytes) throw this.#sizeMismatch('more than');
    this.#hash.update(input);
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
    const digest = `sha256:${this.#hash.digest('hex')}` as Digest;
    if (digest !== expected.digest) throw this.#digestMismatch(digest);
    return { ...(await this.#finishDecoder()), digest };
  }

  /** Frees the decoder; after `finish` or after a failure. */
  close(): void {
    this.#decoder.close();
  }

  async #finishDecoder(): Promise<DecodeResult> {
    if (this.#broken !== undefined) throw this.#broken as Error;
    return this.#decoder.finish();
  }

  #noteBroken(error: unknown): void {
    if (!BROKEN_BYTES.has(errorCodeOf(error))) throw error;
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
