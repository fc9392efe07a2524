/**
 * The compressed bytes of a layer that can't be taken up in the middle (zstd), kept beside its partial file until the
 * commit: who goes on decodes them again, and fetches only the rest.
 */
import { closeSync, constants, fdatasync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { giveToGroupSync } from '../cache/group-access.ts';
import type { IngestJournal } from '../cache/disk/ingest-file.ts';
import { openOwnSync } from '../cache/own-file.ts';
import { storageError } from '../errors.ts';
import { JournalWriter } from './journal-writer.ts';

const flushFile = promisify(fdatasync);

export class Spool {
  readonly #path: string;
  readonly #fd: number;
  readonly #journal: JournalWriter;
  readonly #keptBytes: number;
  #seenBytes = 0;
  #flushing: Promise<void> | undefined;
  #isClosed = false;

  /** @throws ClipctlError STORAGE_* */
  constructor(journal: IngestJournal, isFlushed: boolean) {
    const { spoolPath, owner, resume } = journal;
    this.#path = spoolPath;
    this.#keptBytes = resume?.kind === 'spool' ? resume.keptBytes : 0;
    this.#journal = new JournalWriter(journal, isFlushed ? () => this.#flush() : undefined);
    try {
      this.#fd = openOwnSync({ path: spoolPath, owner }, constants.O_WRONLY | constants.O_CREAT);
      giveToGroupSync(this.#fd, spoolPath);
    } catch (error) {
      this.#journal.close();
      throw storageError(error, spoolPath, 'open');
    }
  }

  /** Takes all bytes of the layer in order; those that are kept already are not written again. @throws ClipctlError STORAGE_* */
  write(input: Uint8Array): void {
    const start = this.#seenBytes;
    const known = Math.min(input.length, Math.max(0, this.#keptBytes - start));
    try {
      for (let at = known; at < input.length;) at += writeSync(this.#fd, input, at, input.length - at, start + at);
    } catch (error) {
      throw storageError(error, this.#path, 'write');
    }
    this.#seenBytes += input.length;
    if (known < input.length) this.#journal.written(this.#seenBytes, this.#seenBytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#journal.close();
    const close = (): void => closeSync(this.#fd);
    // A flush still running holds the descriptor: closing now would let it hit a foreign file.
    if (this.#flushing === undefined) close();
    else this.#flushing.then(close, close);
  }

  #flush(): Promise<void> {
    this.#flushing = flushFile(this.#fd);
    return this.#flushing;
  }
}
