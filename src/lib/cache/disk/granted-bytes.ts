/** What transfers were promised: by us to our own, and by other processes to theirs, in a file `granted` beside the layer. */
import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeOwn, rewriteOwn } from '../own-file.ts';
import { readSmallFile } from '../regular-file.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';

const MAX_PROMISE_BYTES = 16;

export class GrantedBytes {
  /** Directories of our own transfers, and how large their layers may get as yet. */
  readonly #granted = new Map<string, number>();

  /** A layer is about to come to `path`. */
  begin(path: string): void {
    this.#granted.set(dirname(path), 0);
  }

  /** It may get so large now, unless it has ended meanwhile; other processes see it too. */
  async grant(path: string, bytes: number): Promise<void> {
    const directory = dirname(path);
    if (!this.#granted.has(directory)) return;
    this.#granted.set(directory, bytes);
    await asFarAsPossible(async () => {
      const { uid } = await lstat(path);
      await rewriteOwn({ path: promisePath(directory), owner: uid }, String(bytes));
    });
  }

  /** Nothing more comes: it is committed, or gone, or left. */
  async end(path: string): Promise<void> {
    if (this.#granted.delete(dirname(path))) await asFarAsPossible(() => removeOwn(promisePath(dirname(path))));
  }

  /** How large the layer at `path` may get as yet. */
  of(path: string): number {
    return this.#granted.get(dirname(path)) ?? 0;
  }

  /** The transfer in this directory is our own. */
  isOurs(directory: string): boolean {
    return this.#granted.has(directory);
  }

  /** How large the layer in the directory of a transfer may get, whose ever it is. */
  async promisedIn(directory: string): Promise<number> {
    return this.#granted.get(directory) ?? (await readPromise(directory));
  }
}

/** Gone, or wrong, it counts as nothing: the layer itself is counted. */
async function readPromise(directory: string): Promise<number> {
  const text = (await readSmallFile(promisePath(directory), MAX_PROMISE_BYTES).catch(() => undefined))?.text ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

function promisePath(directory: string): string {
  return join(directory, 'granted');
}
