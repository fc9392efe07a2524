/**
 * A blob that all layers of a repository name: sent by one at a time, and by none once it is there. A registry that is sent
 * it again while it looks for it may not find it (docker-registry 2.8 empties the link of a blob before it writes it anew).
 */
import { waitOrAbort } from '../../../http/wait-or-abort.ts';

export class SharedBlob {
  #isThere = false;
  /** Ends with the one who sends it just now, and never fails. */
  #sending: Promise<void> | undefined;

  /** @param send looks for it first; one who was stopped leaves it to the next */
  async bring(send: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (this.#sending !== undefined) await waitOrAbort(this.#sending, signal);
    if (this.#isThere) return;
    const sending = this.#send(send);
    this.#sending = sending.catch(() => undefined);
    await sending;
  }

  /** The registry says that it has it not: the next one looks. */
  forget(): void {
    this.#isThere = false;
  }

  async #send(send: () => Promise<void>): Promise<void> {
    try {
      await send();
      this.#isThere = true;
    } finally {
      this.#sending = undefined;
    }
  }
}
