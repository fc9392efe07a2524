/** Notes in the journal of a transfer which runs of the layer are whole: first the layer file reaches the disk, then the line is written. */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { spanLine } from '../cache/disk/ingest/journal.ts';
import { storageError } from '../errors.ts';
import type { SpanRun } from './span-plan.ts';

export interface SpanJournalOptions {
  readonly journalPath: string;
  readonly layerPath: string;
  /** False: nobody waits for the disk; a line then counts until the machine is started again. */
  readonly isFlushed: boolean;
}

export class SpanJournal {
  readonly #options: SpanJournalOptions;
  #journal: FileHandle | undefined;
  #layer: FileHandle | undefined;
  /** One note after the other: what the first flush brings to disk the next need not wait for. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: SpanJournalOptions) {
    this.#options = options;
  }

  /** Resolves when the next process would find it. @throws ClipctlError STORAGE_* */
  note(run: SpanRun): Promise<void> {
    const noted = this.#turn.then(() => this.#write(run));
    this.#turn = noted;
    // close() throws it; until then it must not count as unhandled.
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

  async #write({ uncompressedStart, uncompressedEnd, compressedStart, compressedEnd }: SpanRun): Promise<void> {
    const { isFlushed, layerPath, journalPath } = this.#options;
    const span = { uncompressedStart, uncompressedEnd, compressedBytes: compressedEnd - compressedStart };
    try {
      if (isFlushed) {
        this.#layer ??= await open(layerPath, constants.O_WRONLY | constants.O_NOFOLLOW);
        await this.#layer.datasync();
      }
      this.#journal ??= await open(journalPath, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
      await this.#journal.writeFile(spanLine(span, isFlushed));
    } catch (error) {
      throw storageError(error, isFlushed ? layerPath : journalPath, 'flush');
    }
  }
}
