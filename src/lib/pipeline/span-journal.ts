/**
 * Notes in the journal of a transfer which runs of the layer are whole. A run is noted as soon as it is written, which a
 * killed process needs, and once more when the layer file has reached the disk, which a power loss needs.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { isBootKnown, spanLine, type DoneSpan } from '../cache/disk/ingest/journal.ts';
import { openOwn, type OwnFile } from '../cache/own-file.ts';
import { storageError } from '../errors.ts';
import type { SpanRun } from './span-plan.ts';

/** A flush stops whoever writes the file for a moment: what comes meanwhile shares the next one. */
const FLUSH_EVERY_MS = 500;

export interface SpanJournalOptions {
  readonly journal: OwnFile;
  readonly layer: OwnFile;
  /** False: nobody waits for the disk; a line then counts until the machine is started again. */
  readonly isFlushed: boolean;
}

export class SpanJournal {
  readonly #options: SpanJournalOptions;
  #journal: FileHandle | undefined;
  #layer: FileHandle | undefined;
  /** One line, or flush, after the other. */
  #turn: Promise<void> = Promise.resolve();
  /** Noted, but not yet as flushed. */
  #unflushed: DoneSpan[] = [];
  #flushedAtMs = performance.now();

  constructor(options: SpanJournalOptions) {
    this.#options = options;
  }

  /** Resolves when the next process would find it. @throws ClipctlError STORAGE_* */
  note({ uncompressedStart, uncompressedEnd, compressedStart, compressedEnd }: SpanRun): Promise<void> {
    const span = { uncompressedStart, uncompressedEnd, compressedBytes: compressedEnd - compressedStart };
    // Where nobody tells whether the machine was started anew, only a flushed line counts.
    const isFoundUnflushed = !this.#options.isFlushed || isBootKnown();
    const noted = this.#turn.then(() => (isFoundUnflushed ? this.#append([span], false) : this.#flush([span])));
    this.#turn = noted.then(() => (isFoundUnflushed ? this.#flushNowAndThen(span) : undefined));
    // close() throws it; until then it must not count as unhandled.
    this.#turn.catch(() => undefined);
    noted.catch(() => undefined);
    return noted;
  }

  /** @throws ClipctlError STORAGE_* of a note that failed */
  async close(): Promise<void> {
    try {
      await this.#turn;
    } finally {
      await Promise.all([this.#journal?.close(), this.#layer?.close()]);
    }
  }

  async #flushNowAndThen(span: DoneSpan): Promise<void> {
    if (!this.#options.isFlushed) return;
    this.#unflushed.push(span);
    if (performance.now() - this.#flushedAtMs < FLUSH_EVERY_MS) return;
    await this.#flush(this.#unflushed);
    this.#unflushed = [];
    this.#flushedAtMs = performance.now();
  }

  /** Brings the layer file to disk, then notes the spans. */
  async #flush(spans: readonly DoneSpan[]): Promise<void> {
    const { layer } = this.#options;
    try {
      this.#layer ??= await openOwn(layer, constants.O_WRONLY);
      await this.#layer.datasync();
    } catch (error) {
      throw storageError(error, layer.path, 'flush');
    }
    await this.#append(spans, true);
  }

  async #append(spans: readonly DoneSpan[], isFlushed: boolean): Promise<void> {
    const { journal } = this.#options;
    try {
      this.#journal ??= await openOwn(journal, constants.O_WRONLY | constants.O_APPEND);
      await this.#journal.writeFile(spans.map((span) => spanLine(span, isFlushed)).join(''));
    } catch (error) {
      throw storageError(error, journal.path, 'write');
    }
  }
}
