/** Notes in the journal of a transfer how far it is, from the worker that writes its file. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { checkpointLine, isBootKnown, pointLine, syncedLine } from '../cache/disk/ingest/journal.ts';
import type { Checkpoint } from '../compression/decoder.ts';
import type { ResumePoint } from '../compression/resume-point.ts';
import { storageError } from '../errors.ts';

/** Places nearer to each other than this are not worth a line; on either side of the decoder. */
const POINT_EVERY_BYTES = 128 * 1024;
const POINT_EVERY_OUTPUT_BYTES = 32 * 1024 * 1024;
/** Of download: what a power loss may cost (DESIGN §2). A killed process loses nothing that was written. */
const FLUSH_EVERY_BYTES = 2 * 1024 * 1024;
/**
 * Nor does a flush follow another sooner: each stops whoever writes the file until the journal of the file system is
 * written. A download so fast that more than 2 MiB come meanwhile makes up for them as fast. Where nobody tells whether the
 * machine was started anew, a kill costs what a power loss does: there it follows at once.
 */
const FLUSH_EVERY_MS = 500;

export class JournalWriter {
  readonly #path: string;
  /** Brings what was written to disk; undefined: nobody waits for that. */
  readonly #flush: (() => Promise<void>) | undefined;
  #fd: number | undefined;
  #last = { compressedOffset: 0, uncompressedOffset: 0 };
  /** Notes of bytes that are not written yet. */
  readonly #early: { readonly bytes: number; readonly note: () => void }[] = [];
  #flushedAt = 0;
  #flushedAtMs = -Infinity;
  #isFlushing = false;

  /** @throws ClipctlError STORAGE_* */
  constructor(path: string, flush: (() => Promise<void>) | undefined) {
    this.#path = path;
    this.#flush = flush;
    try {
      this.#fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw storageError(error, path, 'open');
    }
  }

  /** Its line comes when the bytes before it are written. */
  note(point: ResumePoint): void {
    const { compressedOffset, uncompressedOffset } = point;
    const isFar =
      compressedOffset - this.#last.compressedOffset >= POINT_EVERY_BYTES ||
      uncompressedOffset - this.#last.uncompressedOffset >= POINT_EVERY_OUTPUT_BYTES;
    if (!isFar) return;
    this.#last = point;
    const note = (): void => {
      this.#append(pointLine(point));
      this.written(uncompressedOffset, compressedOffset);
    };
    this.#early.push({ bytes: uncompressedOffset, note });
  }

  /** Points behind it come later. */
  noteCheckpoint(checkpoint: Checkpoint): void {
    this.#early.push({ bytes: checkpoint.uncompressedOffset, note: () => this.#append(checkpointLine(checkpoint)) });
  }

  /** So many bytes of the file are written: what waited for them is noted. @throws ClipctlError STORAGE_* */
  reach(bytes: number): void {
    for (let first = this.#early[0]; first !== undefined && first.bytes <= bytes; first = this.#early[0]) {
      this.#early.shift();
      first.note();
    }
  }

  /** So many bytes of the file are written, from so many of the download: flushes them now and then, beside the work. */
  written(bytes: number, compressedOffset: number): void {
    if (this.#flush === undefined || this.#isFlushing || compressedOffset - this.#flushedAt < FLUSH_EVERY_BYTES) return;
    const nowMs = performance.now();
    if (isBootKnown() && nowMs - this.#flushedAtMs < FLUSH_EVERY_MS) return;
    this.#isFlushing = true;
    this.#flushedAt = compressedOffset;
    this.#flushedAtMs = nowMs;
    this.#flush().then(
      () => this.#noteFlushed(bytes),
      // Who writes the file learns of it too, and reports it.
      () => this.close(),
    );
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #noteFlushed(bytes: number): void {
    this.#isFlushing = false;
    try {
      this.#append(syncedLine(bytes));
    } catch {
      // The line would have helped after a power loss; the write that fails next says why.
      this.close();
    }
  }

  #append(line: string): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, line);
    } catch (error) {
      throw storageError(error, this.#path, 'write');
    }
  }
}
