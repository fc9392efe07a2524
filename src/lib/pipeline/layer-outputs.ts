/** The tee behind the decompressor: every output byte goes to the diffID hash and, as asked, to digests, scanner and file. */
import { createHash, type Hash } from 'node:crypto';
import { errorCodeOf } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { TarScanner } from '../tar/scanner.ts';
import { EntryPacker } from '../tar/packed-entries.ts';
import type { Checkpoint } from '../compression/decoder.ts';
import type { ResumePoint } from '../compression/resume-point.ts';
import { GrowthGate } from './growth-gate.ts';
import { IngestWriter } from './ingest-writer.ts';
import { JournalWriter } from './journal-writer.ts';
import type { LayerJob, OutputFacts, PlainError } from './layer-job.ts';
import { replayFile } from './partial-file.ts';
import { plainErrorOf } from './plain-error.ts';
import { SpanDigests } from './span-digests.ts';

const MAX_TAR_HEADER_BYTES = 1024 * 1024;

export class LayerOutputs {
  readonly #hash: Hash = createHash('sha256');
  readonly #spans: SpanDigests | undefined;
  readonly #cuts: SpanDigests | undefined;
  #writer: IngestWriter | undefined;
  #journal: JournalWriter | undefined;
  readonly #entries = new EntryPacker();
  #scanner: TarScanner | undefined;
  #scanError: PlainError | undefined;

  /** @param askToGrow is called before the thread waits for room */
  constructor(job: LayerJob, askToGrow: (endBytes: number) => void) {
    if (job.scan) {
      this.#spans = new SpanDigests();
      this.#scanner = new TarScanner({
        onEntry: (entry) => this.#entries.add(entry),
        limits: { maxEntries: job.maxEntries, maxHeaderBytes: MAX_TAR_HEADER_BYTES },
      });
    }
    const { cuts } = job;
    if (cuts !== undefined) this.#cuts = new SpanDigests((index) => cuts[index] ?? Infinity);
    if (job.ingestPath !== undefined) this.#open(job.ingestPath, job, askToGrow);
  }

  /** @throws ClipctlError STORAGE_* */
  noteCheckpoint(checkpoint: Checkpoint): void {
    this.#journal?.noteCheckpoint(checkpoint);
    this.#noteWritten();
  }

  /** The bytes before this place have come. @throws ClipctlError STORAGE_* */
  noteResumePoint(point: ResumePoint): void {
    this.#journal?.note(point);
    this.#noteWritten();
  }

  /** @throws ClipctlError LIMIT_ENTRIES, LIMIT_HEADER, STORAGE_* */
  write(view: Uint8Array): void {
    this.#write((writer) => writer.write(view));
    this.#learn(view);
  }

  async finish(): Promise<OutputFacts> {
    this.#scan((scanner) => void scanner.finish());
    this.#write((writer) => writer.drain());
    this.#journal?.close();
    await this.#writer?.finish();
    return {
      diffId: `sha256:${this.#hash.digest('hex')}` as Digest,
      entries: this.#entries.finish(),
      contentDigests: this.#spans?.finish() ?? new Uint8Array(0),
      ...(this.#cuts && { cutDigests: this.#cuts.finish() }),
      scanError: this.#scanError,
    };
  }

  close(): void {
    this.#journal?.close();
    this.#writer?.close();
  }

  #open(path: string, { journal, isFlushed, growth }: LayerJob, askToGrow: (endBytes: number) => void): void {
    const resumed = journal?.resume?.kind === 'points' ? journal.resume.point.uncompressedOffset : 0;
    if (resumed > 0) replayFile(path, resumed, (view) => this.#learn(view));
    const writer = new IngestWriter(path, {
      startBytes: resumed,
      isFlushed,
      ...(growth && { gate: new GrowthGate(growth, askToGrow) }),
    });
    this.#writer = writer;
    if (journal !== undefined)
      this.#journal = new JournalWriter(journal.journalPath, isFlushed ? () => writer.flush() : undefined);
  }

  #write(step: (writer: IngestWriter) => void): void {
    if (this.#writer === undefined) return;
    step(this.#writer);
    this.#noteWritten();
  }

  #noteWritten(): void {
    if (this.#writer !== undefined) this.#journal?.reach(this.#writer.writtenBytes);
  }

  #learn(view: Uint8Array): void {
    this.#hash.update(view);
    this.#spans?.write(view);
    this.#cuts?.write(view);
    this.#scan((scanner) => scanner.write(view));
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
