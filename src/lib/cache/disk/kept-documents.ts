/** Manifests, image indexes and configs by digest: what was asked for by digest once needs no second request. */
import type { Digest } from '../../oci/digest.ts';
import { documentsDirectory } from './cache-layout.ts';
import { readDigestFile, writeDigestFile, type CachePlace, type DigestFiles } from './digest-files.ts';

/** Some thousand images of usual size. */
const BUDGET_BYTES = 64 * 1024 * 1024;
/** The cap of one manifest or config. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** Offered in one run; what is beyond it is asked for again. */
const MAX_OFFERED_BYTES = 8 * 1024 * 1024;

/** The documents of one run: what it was offered is written when it ends well, and not by a run that keeps nothing. */
export class KeptDocuments {
  readonly #files: DigestFiles;
  readonly #offered = new Map<Digest, Uint8Array>();
  #offeredBytes = 0;

  constructor({ cacheDir, shared = false }: CachePlace) {
    const directory = (): string => documentsDirectory(cacheDir);
    this.#files = { cacheDir, shared, directory, budgetBytes: BUDGET_BYTES, maxBytes: MAX_DOCUMENT_BYTES };
  }

  /** What stands under a digest; whether it is that is the reader's to check. A file that can't be read is none. */
  async read(digest: Digest): Promise<Uint8Array | undefined> {
    // A document can always be asked for again, so no trouble with the copy is worth an error.
    return readDigestFile(this.#files, digest).catch(() => undefined);
  }

  /** Takes a document whose digest holds. */
  offer(digest: Digest, bytes: Uint8Array): void {
    if (this.#offered.has(digest) || this.#offeredBytes + bytes.byteLength > MAX_OFFERED_BYTES) return;
    this.#offered.set(digest, bytes);
    this.#offeredBytes += bytes.byteLength;
  }

  /** Writes what was offered; where the cache can't be written, nothing is kept. @throws ClipctlError STORAGE_ERROR */
  async keep(): Promise<void> {
    for (const [digest, bytes] of this.#offered) await writeDigestFile(this.#files, digest, bytes);
    this.#offered.clear();
    this.#offeredBytes = 0;
  }
}
