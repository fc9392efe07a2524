import { closeSync, constants, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { ClipctlError, storageError } from '../errors.ts';
import { AlignedFile } from './aligned-file.ts';
import type { GrowthGate } from './growth-gate.ts';

const flushFile = promisify(fdatasync);

/**
 * Dirty pages are pushed out this often at least, so that the flush at commit has little left to wait for (RELIABILITY §1.1).
 * The journal of a transfer asks by its own clock, which comes first on most machines (journal-writer.ts).
 */
const FLUSH_EVERY_BYTES = 256 * 1024 * 1024;

export interface IngestWriterOptions {
  /** What is there already and stays. */
  readonly startBytes: number;
  /** False: the operating system flushes when it likes. */
  readonly isFlushed: boolean;
  /** Undefined: there is room. */
  readonly gate?: Pick<GrowthGate, 'pass'>;
}

/** Writes the decompressed layer into its ingest file, from the worker, straight out of the decoder's memory. */
export class IngestWriter {
  readonly #path: string;
  readonly #isFlushed: boolean;
  readonly #gate: Pick<GrowthGate, 'pass'> | undefined;
  readonly #file: AlignedFile;
  /** Of the layer, those that wait to be written included. */
  #takenBytes: number;
  #fd: number | undefined;
  #flushedBytes = 0;
  #flush: Promise<void> | undefined;
  #flushesUnderWay = 0;

  /** @throws ClipctlError STORAGE_* */
  constructor(path: string, { startBytes, isFlushed, gate }: IngestWriterOptions) {
    this.#path = path;
    this.#gate = gate;
    this.#takenBytes = startBytes;
    this.#flushedBytes = startBytes;
    this.#isFlushed = isFlushed;
    try {
      this.#fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw storageError(error, path, 'open');
    }
    this.#file = new AlignedFile(this.#fd, startBytes);
  }

  /** So many bytes of the file are written. */
  get writtenBytes(): number {
    return this.#file.offset;
  }

  /** The last bytes may wait for more, or for drain(). @throws ClipctlError STORAGE_FULL and other STORAGE_* */
  write(view: Uint8Array): void {
    const fd = this.#openFd();
    this.#gate?.pass(this.#takenBytes + view.length);
    this.#write((file) => file.write(view));
    this.#takenBytes += view.length;
    // On a disk that is slower than this, one flush would wait behind the other.
    const isFlushWanted = this.#isFlushed && this.#flushesUnderWay === 0;
    if (isFlushWanted && this.writtenBytes - this.#flushedBytes >= FLUSH_EVERY_BYTES) void this.#startFlush(fd);
  }

  /** All bytes that came are written. @throws ClipctlError STORAGE_FULL and other STORAGE_* */
  drain(): void {
    this.#openFd();
    this.#write((file) => file.drain());
  }

  /** Brings what was written so far to disk. @throws what the file system throws; finish() throws it too */
  flush(): Promise<void> {
    return this.#startFlush(this.#openFd());
  }

  /** Waits for flushes under way and closes. The commit does the final flush. */
  async finish(): Promise<void> {
    try {
      await this.#flush;
    } catch (error) {
      throw storageError(error, this.#path, 'flush');
    }
    this.close();
  }

  close(): void {
    if (this.#fd === undefined) return;
    // A flush still running holds the descriptor: closing now would let it hit a foreign file.
    const fd = this.#fd;
    this.#fd = undefined;
    if (this.#flush === undefined) closeSync(fd);
    else
      this.#flush.then(
        () => closeSync(fd),
        () => closeSync(fd),
      );
  }

  #write(step: (file: AlignedFile) => void): void {
    try {
      step(this.#file);
    } catch (error) {
      throw storageError(error, this.#path, { doing: 'write', writtenBytes: this.writtenBytes });
    }
  }

  #openFd(): number {
    if (this.#fd === undefined) throw new ClipctlError('INTERNAL', `write after close: ${this.#path}`);
    return this.#fd;
  }

  #startFlush(fd: number): Promise<void> {
    this.#flushedBytes = this.writtenBytes;
    this.#flushesUnderWay++;
    const before = this.#flush ?? Promise.resolve();
    this.#flush = before.then(() => flushFile(fd)).finally(() => this.#flushesUnderWay--);
    // The error is reported by finish(); until then it must not count as unhandled.
    this.#flush.catch(() => undefined);
    return this.#flush;
  }
}
