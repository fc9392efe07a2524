/** The tee behind the decompressor: every output byte goes to the diffID hash and, as asked, to digests, scanner and file. */
import { createHash, type Hash } from 'node:crypto';
import { errorCodeOf } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { TarScanner } from '../tar/scanner.ts';
import { EntryPacker } from '../tar/packed-entries.ts';
import { IngestWriter } from './ingest-writer.ts';
import type { LayerJob, OutputFacts, PlainError } from './layer-job.ts';
import { plainErrorOf } from './plain-error.ts';
import { SpanDigests } from './span-digests.ts';

const MAX_TAR_HEADER_BYTES = 1024 * 1024;

export class LayerOutputs {
  readonly #hash: Hash = createHash('sha256');
  readonly #spans: SpanDigests | undefined;
  readonly #writer: IngestWriter | undefined;
  readonly #entries = new EntryPacker();
  #scanner: TarScanner | undefined;
  #scanError: PlainError | undefined;

  constructor(job: LayerJob) {
    if (job.scan) {
      this.#spans = new SpanDigests();
      this.#scanner = new TarScanner({
        onEntry: (entry) => this.#entries.add(entry),
        limits: { maxEntries: job.maxEntries, maxHeaderBytes: MAX_TAR_HEADER_BYTES },
      });
    }
    if (job.ingestPath !== undefined) this.#writer = new IngestWriter(job.ingestPath);
  }

  /** @throws ClipctlError LIMIT_ENTRIES, LIMIT_HEADER, STORAGE_* */
  write(view: Uint8Array): void {
    this.#hash.update(view);
    this.#spans?.write(view);
    this.#writer?.write(view);
    this.#scan((scanner) => scanner.write(view));
  }

  async finish(): Promise<OutputFacts> {
    this.#scan((scanner) => void scanner.finish());
    await this.#writer?.finish();
    return {
      diffId: `sha256:${this.#hash.digest('hex')}` as Digest,
      entries: this.#entries.finish(),
      contentDigests: this.#spans?.finish() ?? new Uint8Array(0),
      scanError: this.#scanError,
    };
  }

  close(): void {
    this.#writer?.close();
  }

  #scan(step: (scanner: TarScanner) => void): void {
    if (this.#scanner === undefined) return;
    try {
      step(this.#scanner);
    } catch (error) {
      this.#scanner = undefined;
      if (errorCodeOf(error) !== 'TAR_INVALID') throw error;
      this.#scanError = plainErrorOf(error);
    }
  }
}
