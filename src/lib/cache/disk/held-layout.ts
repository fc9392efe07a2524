/**
 * The directories of our own state, held open where others may swap them: in a cache directory that a group or everybody
 * may write to, or that is another user's. What is in them is named through them, so that a link that comes to stand under
 * their path leads none of our files elsewhere (RELIABILITY §1.3 row 20, docs/adr/0008-held-directories.md).
 */
import { closeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { forgetHeld, NOWHERE, rememberHeld } from '../../held-names.ts';
import { makeDirectory, makeOneDirectory } from '../make-directory.ts';
import { isSwappable, isThere, makeOwn, nameOf, openOneOf, openOwn } from './own-descriptors.ts';
import { ALL_DIRECTORIES, ownPath, type OwnDirectory } from './own-names.ts';

interface SharedLayout {
  readonly layout: HeldLayout;
  users: number;
}

/** By the path of the cache directory. */
const layouts = new Map<string, SharedLayout>();

/** From now on they are held once they are used, until as often released. Touches no disk. @returns releases them */
export function holdLayout(cacheDir: string): () => void {
  const shared = share(cacheDir);
  let isReleased = false;
  return () => {
    if (!isReleased) release(shared);
    isReleased = true;
  };
}

/**
 * The name of one of them, or of the directory that they stand in, for as long as it is held: its path where nobody holds it,
 * or nobody else may swap it. What is missing has a name that leads nowhere, until {@link makeOwnDirectories} makes it.
 * @throws ClipctlError STORAGE_ERROR for a link or whatever else is no directory, STORAGE_*
 */
export function placeOf(cacheDir: string, name?: OwnDirectory): string {
  return layouts.get(resolve(cacheDir))?.layout.placeOf(name) ?? ownPath(cacheDir, name);
}

/** Takes hold of all that are there. @throws ClipctlError as {@link placeOf} does */
export function openLayout(cacheDir: string): void {
  for (const name of ALL_DIRECTORIES) placeOf(cacheDir, name);
}

/** Makes those that are missing. @throws ClipctlError STORAGE_ERROR for a link among them; what the file system throws */
export async function makeOwnDirectories(cacheDir: string, names: readonly OwnDirectory[], mode: number): Promise<void> {
  const shared = share(cacheDir);
  try {
    if (shared.layout.isHeld()) await shared.layout.make(names, mode);
    else for (const name of names) await makeDirectory(ownPath(cacheDir, name), mode);
  } finally {
    release(shared);
  }
}

function share(cacheDir: string): SharedLayout {
  const key = resolve(cacheDir);
  const shared = layouts.get(key) ?? { layout: new HeldLayout(key), users: 0 };
  layouts.set(key, shared);
  shared.users += 1;
  return shared;
}

function release(shared: SharedLayout): void {
  shared.users -= 1;
  if (shared.users > 0) return;
  layouts.delete(shared.layout.cacheDir);
  shared.layout.close();
}

class HeldLayout {
  /** Absolute. */
  readonly cacheDir: string;
  #isHeld: boolean | undefined;
  readonly #fds = new Map<OwnDirectory | 'own', number>();
  /** Of directories that are gone. Names that lead through them must not come to lead elsewhere. */
  readonly #left: number[] = [];
  #making: Promise<void> = Promise.resolve();

  constructor(cacheDir: string) {
    this.cacheDir = cacheDir;
  }

  /** Looked at once, when it is there: names that are in use must not change their kind when it is made anew with another mode. */
  isHeld(): boolean {
    this.#isHeld ??= isSwappable(this.cacheDir);
    return this.#isHeld ?? false;
  }

  placeOf(name?: OwnDirectory): string | undefined {
    if (!this.isHeld()) return undefined;
    const fd = this.#find(name);
    // Behind `/.` stands the directory itself; without it lstat(2) would find a link.
    return fd === undefined ? `${NOWHERE}${ownPath(this.cacheDir, name)}` : `${nameOf(fd)}/.`;
  }

  make(names: readonly OwnDirectory[], mode: number): Promise<void> {
    this.#making = this.#making.catch(() => undefined).then(() => this.#make(names, mode));
    return this.#making;
  }

  /** One after the other: see makeOwn. */
  async #make(names: readonly OwnDirectory[], mode: number): Promise<void> {
    if (this.#find() === undefined) await makeOwn(this.cacheDir, mode);
    const own = this.placeOf() ?? '';
    for (const name of names) {
      if (this.#find(name) === undefined) await makeOneDirectory(join(own, name), mode);
      this.#find(name);
    }
  }

  close(): void {
    for (const fd of [...this.#fds.values(), ...this.#left]) {
      forgetHeld(fd);
      closeSync(fd);
    }
    this.#fds.clear();
    this.#left.length = 0;
  }

  /** `undefined` = it is missing. */
  #find(name: OwnDirectory | 'own' = 'own'): number | undefined {
    const known = this.#fds.get(name);
    if (known !== undefined && isThere(known)) return known;
    this.#leave(name);
    const fd = this.#open(name);
    if (fd === undefined) return undefined;
    this.#fds.set(name, fd);
    rememberHeld(fd, ownPath(this.cacheDir, name === 'own' ? '' : name));
    return fd;
  }

  /** Somebody has removed it. What stands in it has gone before. */
  #leave(name: OwnDirectory | 'own'): void {
    const fd = this.#fds.get(name);
    if (fd !== undefined) this.#left.push(fd);
    this.#fds.delete(name);
  }

  #open(name: OwnDirectory | 'own'): number | undefined {
    if (name === 'own') return openOwn(this.cacheDir);
    const own = this.#find();
    return own === undefined ? undefined : openOneOf(own, name, this.cacheDir);
  }
}
