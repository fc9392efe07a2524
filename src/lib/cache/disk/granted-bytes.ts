/**
 * How large the files of transfers may get: by our promise to our own, and by that of other processes to theirs, in a file
 * `granted` beside the layer.
 */
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeOwn, rewriteOwn } from '../own-file.ts';
import { readSmallFile } from '../regular-file.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { BOOKED_FILES, type BookedFile } from './ingest/transfers.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { SpaceUsage } from './transfer-usage.ts';

/** In bytes. */
export type Promised = ReadonlyMap<BookedFile, number>;

const MAX_PROMISE_BYTES = 256;
/** Always as long: who reads it meanwhile finds the one promise or the other. */
const PROMISE_BYTES = 80;

export class GrantedBytes {
  /** Of our own transfers, by their directories. */
  readonly #granted = new Map<string, Map<BookedFile, number>>();
  readonly #writing = new KeyedTurns();

  /** A layer is about to come to `path`. */
  begin(path: string): void {
    this.#granted.set(dirname(path), new Map());
  }

  /** A file of a transfer may get so large now, unless that has ended meanwhile; other processes see it too. */
  async grant(path: string, bytes: number): Promise<void> {
    const directory = dirname(path);
    const granted = this.#granted.get(directory);
    const name = bookedFileOf(path);
    if (granted === undefined || name === undefined) return;
    granted.set(name, bytes);
    const write = async (): Promise<void> => {
      const { uid } = await lstat(path);
      if (this.isOurs(directory)) await rewriteOwn({ path: promisePath(directory), owner: uid }, textOf(granted));
    };
    await this.#writing.run(directory, () => asFarAsPossible(write));
  }

  /** Nothing more comes: it is committed, or gone, or left. */
  async end(path: string): Promise<void> {
    const directory = dirname(path);
    if (!this.#granted.delete(directory)) return;
    await this.#writing.run(directory, () => asFarAsPossible(() => removeOwn(promisePath(directory))));
  }

  /** How large the file at `path` may get as yet. */
  of(path: string): number {
    const name = bookedFileOf(path);
    return (name && this.#granted.get(dirname(path))?.get(name)) ?? 0;
  }

  /** The transfer in this directory is our own. */
  isOurs(directory: string): boolean {
    return this.#granted.has(directory);
  }

  /** Of what lies beside our own layers. */
  besideBytes(): number {
    return [...this.#granted.values()].reduce((sum, granted) => sum + besideBytesOf(granted), 0);
  }

  /** To the transfer in a directory, whose ever it is. */
  async promisedIn(directory: string): Promise<Promised> {
    return new Map(this.#granted.get(directory) ?? (await readPromise(directory)));
  }
}

/** What is promised and not on disk yet, to files that are there: one that is gone has ended, or was given up. */
export function stillToCome(promised: Promised, { fileBytes }: Pick<SpaceUsage, 'fileBytes'>): Promised {
  const left = [...fileBytes].map(([name, bytes]) => [name, Math.max(0, (promised.get(name) ?? 0) - bytes)] as const);
  return new Map(left);
}

export function layerBytesOf(promised: Promised): number {
  return promised.get('layer') ?? 0;
}

/** Of all that goes at the commit. */
export function besideBytesOf(promised: Promised): number {
  return [...promised].reduce((sum, [name, bytes]) => sum + (name === 'layer' ? 0 : bytes), 0);
}

function textOf(granted: Promised): string {
  return [...granted]
    .map(([name, bytes]) => `${name} ${bytes}\n`)
    .join('')
    .padEnd(PROMISE_BYTES);
}

/** Gone, or wrong, it counts as nothing: what is there is counted. */
async function readPromise(directory: string): Promise<Promised> {
  const text = (await readSmallFile(promisePath(directory), MAX_PROMISE_BYTES).catch(() => undefined))?.text ?? '';
  const found = BOOKED_FILES.flatMap((name) => {
    const bytes = new RegExp(`^${name} (\\d{1,15})$`, 'm').exec(text)?.[1];
    return bytes === undefined ? [] : [[name, Number(bytes)] as const];
  });
  return new Map(found);
}

function bookedFileOf(path: string): BookedFile | undefined {
  return BOOKED_FILES.find((name) => name === basename(path));
}

function promisePath(directory: string): string {
  return join(directory, 'granted');
}
