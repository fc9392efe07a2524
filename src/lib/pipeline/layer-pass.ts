/**
 * One layer, one pass (DESIGN §2), the part inside the worker:
 *
 *   bytes ─▶ hash, count ─▶ decompress ─▶ outputs: hash, content digests, tar scan, file
 *
 * and at the end every promise is checked. Breakage of the bytes does not stop the hash of the compressed side: a
 * flipped bit shows up as a broken stream first, but the honest message names both digests.
 */
import { createHash } from 'node:crypto';
import { createDecoder } from '../compression/open-decoder.ts';
import type { Decoder, DecodeResult } from '../compression/decoder.ts';
import { ClipctlError, errorCodeOf } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerFacts, LayerJob } from './layer-job.ts';
import { LayerOutputs } from './layer-outputs.ts';

/** Errors that say "these bytes are broken", which a wrong digest explains better. */
const BROKEN_BYTES: ReadonlySet<ErrorCode> = new Set(['LAYER_CORRUPT', 'TAR_INVALID', 'UNSUPPORTED_MEDIA_TYPE']);

export class LayerPass {
  readonly #job: LayerJob;
  readonly #hash = createHash('sha256');
  readonly #outputs: LayerOutputs;
  readonly #decoder: Decoder;
  #compressedBytes = 0;
  #broken: unknown;

  constructor(job: LayerJob) {
    this.#job = job;
    this.#outputs = new LayerOutputs(job);
    this.#decoder = createDecoder({
      limits: job.limits,
      onOutput: (view) => this.#outputs.write(view),
      // The diffID is compared, which says more than CRC-32 does; only an index has a use for checkpoints.
      skipChecksum: true,
      ...(job.scan ? {} : { checkpointIntervalBytes: 0 }),
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

  /** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, LAYER_CORRUPT, DIFF_ID_MISMATCH, TAR_INVALID, STORAGE_* */
  async finish(): Promise<LayerFacts> {
    const { expected } = this.#job;
    if (this.#compressedBytes < expected.sizeBytes) throw this.#sizeMismatch('only');
    const digest = `sha256:${this.#hash.digest('hex')}` as Digest;
    if (digest !== expected.digest)
      throw mismatch('DIGEST_MISMATCH', 'digest', { expected: expected.digest, actual: digest, cause: this.#broken });
    const decoded = await this.#finishDecoder();
    const outputs = await this.#outputs.finish();
    if (outputs.diffId !== expected.diffId)
      throw mismatch('DIFF_ID_MISMATCH', 'diffID', { expected: expected.diffId, actual: outputs.diffId });
    if (outputs.scanError !== undefined) throw outputs.scanError;
    return { ...decoded, digest, diffId: outputs.diffId, entries: outputs.entries, contentDigests: outputs.contentDigests };
  }

  /** Frees the decoder and the file; after `finish` or after a failure. */
  close(): void {
    this.#decoder.close();
    this.#outputs.close();
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
}

function mismatch(
  code: 'DIGEST_MISMATCH' | 'DIFF_ID_MISMATCH',
  what: string,
  found: { expected: Digest; actual: Digest; cause?: unknown },
): ClipctlError {
  return new ClipctlError(code, `layer has the wrong ${what}: expected ${found.expected}, got ${found.actual}`, {
    cause: found.cause,
    details: { expected: found.expected, actual: found.actual },
    hint: 'Nothing of this layer was kept. The image or what served it is damaged.',
  });
}
