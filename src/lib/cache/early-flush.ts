import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { storageError } from '../errors.ts';

/** Brings a file that others write to disk now and then, beside their work: the flush at the commit has little left to wait for. */
export class EarlyFlush {
  readonly #path: string;
  readonly #isWanted: boolean;
  #running: Promise<void> | undefined;
  #failure: unknown;

  /** @param isWanted false: the operating system flushes when it likes */
  constructor(path: string, isWanted: boolean) {
    this.#path = path;
    this.#isWanted = isWanted;
  }

  /** What was written so far is flushed, unless a flush is under way. */
  start(): void {
    if (!this.#isWanted || this.#failure !== undefined) return;
    this.#running ??= this.#flush().finally(() => (this.#running = undefined));
  }

  /** Waits for the flush under way. @throws ClipctlError STORAGE_* for any that failed: the kernel tells each failure once */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw storageError(this.#failure, this.#path, 'flush');
  }

  async #flush(): Promise<void> {
    try {
      const file = await open(this.#path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      await file.datasync().finally(() => file.close());
    } catch (error) {
      this.#failure = error;
    }
  }
}
