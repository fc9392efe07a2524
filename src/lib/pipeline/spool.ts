/**
 * The compressed bytes of a layer that can't be taken up in the middle (zstd), kept beside its partial file until the
 * commit: who goes on decodes them again, and fetches only the rest. Where the room is needed for a layer they are taken
 * away (cache/disk/spare-spools.ts), by any process, and this one goes on without.
 */
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf } from '../errno.ts';
import type { IngestJournal } from '../cache/disk/ingest-file.ts';
import { openOwnSync } from '../cache/own-file.ts';
import { storageError } from '../errors.ts';
import { JournalWriter } from './journal-writer.ts';

const flushFile = promisify(fdatasync);
/** No room, for the user or at all. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

export class Spool {
  readonly #path: string;
  /** Undefined: it is given up, or closed. */
  #fd: number | undefined;
  #journal: JournalWriter | undefined;
  readonly #keptBytes: number;
  #seenBytes = 0;
  #flushing: Promise<void> | undefined;

  /** @throws ClipctlError STORAGE_* */
  constructor(journal: IngestJournal, isFlushed: boolean) {
    const { spoolPath, owner, resume } = journal;
    this.#path = spoolPath;
    this.#keptBytes = resume?.kind === 'spool' ? resume.keptBytes : 0;
    try {
      this.#fd = openOwnSync({ path: spoolPath, owner }, constants.O_WRONLY);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw storageError(error, spoolPath, 'open');
    }
    try {
      this.#journal = new JournalWriter(journal, isFlushed ? () => this.#flush() : undefined);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Takes all bytes of the layer in order; those that are kept already are not written again. @throws ClipctlError STORAGE_* */
  write(input: Uint8Array): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    const start = this.#seenBytes;
    const known = Math.min(input.length, Math.max(0, this.#keptBytes - start));
    this.#seenBytes += input.length;
    if (known === input.length) return;
    try {
      if (fstatSync(fd).nlink === 0) return this.close();
      for (let at = known; at < input.length;) at += writeSync(fd, input, at, input.length - at, start + at);
    } catch (error) {
      if (!FULL.has(errnoOf(error) ?? '')) throw storageError(error, this.#path, 'write');
      // The layer may have room without it.
      ftruncateSync(fd);
      return this.close();
    }
    this.#journal?.written(this.#seenBytes, this.#seenBytes);
  }

  close(): void {
    this.#journal?.close();
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    const close = (): void => closeSync(fd);
    // A flush still running holds the descriptor: closing now would let it hit a foreign file.
    if (this.#flushing === undefined) close();
    else this.#flushing.then(close, close);
  }

  #flush(): Promise<void> {
    this.#flushing = this.#fd === undefined ? Promise.resolve() : flushFile(this.#fd);
    return this.#flushing;
  }
}
