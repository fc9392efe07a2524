/** sha256 of a file while it is still being written in places: follows the stretch from its start that is complete. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { storageError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';

/** Small enough to need no lease; sha256 runs at full speed from 64 KiB on (ENGINE §4). */
const READ_BYTES = 64 * 1024;

export class PrefixHash {
  readonly #path: string;
  readonly #hash = createHash('sha256');
  readonly #done = new Map<number, number>();
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #hashedBytes = 0;
  #completeBytes = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
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

  async #follow(): Promise<void> {
    if (this.#hashedBytes === this.#completeBytes) return;
    try {
      const file = await open(this.#path, 'r');
      try {
        while (this.#hashedBytes < this.#completeBytes) {
          const wanted = Math.min(READ_BYTES, this.#completeBytes - this.#hashedBytes);
          const { bytesRead } = await file.read(this.#buffer, 0, wanted, this.#hashedBytes);
          this.#hash.update(this.#buffer.subarray(0, bytesRead));
          this.#hashedBytes += bytesRead;
          if (bytesRead === 0) return;
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      throw storageError(error, this.#path, 'read');
    }
  }
}
