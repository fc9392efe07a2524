import { hasWorkingDirectories, prepareCacheDirectory, requireKnownVersion, requireTrustedOwner } from './cache-layout.ts';
import { openLayout } from './held-layout.ts';
import { requireOwnDirectories } from './own-directories.ts';

/** Looks once whether a cache directory may be used, and makes it when something is to be written: anew where somebody removed it. */
export class DirectoryGuard {
  readonly #directory: string;
  readonly #shared: boolean;
  #isUsable = false;
  #isPrepared = false;

  constructor(directory: string, { shared }: { readonly shared: boolean }) {
    this.#directory = directory;
    this.#shared = shared;
  }

  /** @throws ClipctlError CACHE_VERSION, STORAGE_DENIED for another user's directory, STORAGE_ERROR for a link among ours, STORAGE_* */
  async requireUsable(): Promise<void> {
    if (this.#isUsable) return;
    await requireTrustedOwner(this.#directory, { shared: this.#shared });
    await requireKnownVersion(this.#directory);
    await requireOwnDirectories(this.#directory);
    openLayout(this.#directory);
    this.#isUsable = true;
  }

  /** For what is no need: where nothing may be used, nothing is ours to remove either. Who needs the directory hears why. */
  async isUsable(): Promise<boolean> {
    return this.requireUsable().then(
      () => true,
      () => false,
    );
  }

  /** Makes the directories that are missing. @throws ClipctlError CACHE_VERSION, STORAGE_* */
  async prepare(): Promise<void> {
    if (this.#isPrepared && (await hasWorkingDirectories(this.#directory))) return;
    // What was found right is not what is there now.
    if (this.#isPrepared) this.#isUsable = false;
    await this.requireUsable();
    await prepareCacheDirectory(this.#directory, { shared: this.#shared });
    this.#isPrepared = true;
  }
}
