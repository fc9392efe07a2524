/**
 * A chunk of an upload that is sent to its end, whatever happens: docker-registry 2.8 knows an upload whose chunk broke
 * off by no address any more, and keeps its bytes for days. What is missing when the source fails or the run is stopped is
 * filled up with zeros, if that takes next to no time; the upload is thrown away after it.
 */
import type { RequestBody } from '../../../http/request-body.ts';

/** On a slow line the chunk breaks off all the same: a run that is stopped ends within two seconds. */
const FILLING_MS = 1000;
const ZEROS = Buffer.alloc(64 * 1024);

export class FilledBody implements RequestBody {
  readonly sizeBytes: number;
  readonly #body: RequestBody;
  readonly #run: AbortSignal;
  readonly #late = new AbortController();
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param run aborted when the upload is to end */
  constructor(body: RequestBody, run: AbortSignal) {
    this.sizeBytes = body.sizeBytes;
    this.#body = body;
    this.#run = run;
    run.addEventListener('abort', this.#onAbort);
    if (run.aborted) this.#onAbort();
  }

  /** For the request: it is aborted when filling up takes too long. */
  get signal(): AbortSignal {
    return this.#late.signal;
  }

  /** Why the bytes are not all those of the source. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    let sentBytes = 0;
    try {
      for await (const piece of this.#body.open()) {
        if (this.#failure !== undefined) break;
        sentBytes += piece.length;
        yield piece;
      }
    } catch (error) {
      this.#breakOff(error);
    }
    while (this.#failure !== undefined && sentBytes < this.sizeBytes) {
      const piece = ZEROS.subarray(0, this.sizeBytes - sentBytes);
      sentBytes += piece.length;
      yield piece;
    }
  }

  /** The request is over. */
  close(): void {
    this.#run.removeEventListener('abort', this.#onAbort);
    clearTimeout(this.#timer);
  }

  readonly #onAbort = (): void => this.#breakOff(this.#run.reason);

  #breakOff(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#timer = setTimeout(() => this.#late.abort(error), FILLING_MS);
  }
}
