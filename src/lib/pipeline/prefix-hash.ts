/** sha256 of a file while it is still being written in places: follows the stretch from its start that is complete. */
import { createHash } from 'node:crypto';
import { closeSync, constants, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { openOwnSync, type OwnFile } from '../cache/own-file.ts';
import { storageError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';

/** Small enough to need no lease; sha256 runs at full speed from 64 KiB on (ENGINE §4). */
const READ_BYTES = 64 * 1024;
/** Hashed without a pause: half a millisecond, then whatever else waits has its turn. */
const BURST_BYTES = 1024 * 1024;

export class PrefixHash {
  readonly #file: OwnFile;
  readonly #hash = createHash('sha256');
  readonly #done = new Map<number, number>();
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #hashedBytes = 0;
  #completeBytes = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(file: OwnFile) {
    this.#file = file;
  }

  /** The stretch [start, end) is written. */
  complete(start: number, end: number): void {
    this.#done.set(start, end);
    for (let next = this.#done.get(this.#completeBytes); next !== undefined; next = this.#done.get(this.#completeBytes)) {
      this.#done.delete(this.#completeBytes);
      this.#completeBytes = next;
    }
    this.#reading = this.#reading.then(() => this.#follow());
    // The error is reported by finish(); until then it must not count as unhandled.
    this.#reading.catch(() => undefined);
  }

  /** @throws ClipctlError STORAGE_ERROR */
  async finish(): Promise<Digest> {
    await this.#reading;
    return `sha256:${this.#hash.digest('hex')}` as Digest;
  }

  /** What was just written is in memory: to ask another thread for each piece would cost as much as hashing it. */
  async #follow(): Promise<void> {
    if (this.#hashedBytes === this.#completeBytes) return;
    try {
      const fd = openOwnSync(this.#file, constants.O_RDONLY);
      try {
        while (this.#hashedBytes < this.#completeBytes) {
          if (!this.#hashBurst(fd)) return;
          await setImmediate();
        }
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw storageError(error, this.#file.path, 'read');
    }
  }

  /** @returns false at the end of the file */
  #hashBurst(fd: number): boolean {
    const end = Math.min(this.#completeBytes, this.#hashedBytes + BURST_BYTES);
    while (this.#hashedBytes < end) {
      const bytesRead = readSync(fd, this.#buffer, 0, Math.min(READ_BYTES, end - this.#hashedBytes), this.#hashedBytes);
      this.#hash.update(this.#buffer.subarray(0, bytesRead));
      this.#hashedBytes += bytesRead;
      if (bytesRead === 0) return false;
    }
    return true;
  }
}
