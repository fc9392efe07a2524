/** Files of this machine, a measured amount at a time: what data sets are made of. */
import { existsSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { walkTree, type ChosenFile } from '../../demo/choose-files.ts';

export const MB = 1_000_000;

export interface FileKind {
  readonly name: string;
  readonly description: string;
  readonly folders: readonly string[];
  readonly maxFileBytes: number;
}

/** Few large files: what distribution packages are in bytes. */
export const LIBRARIES: FileKind = {
  name: 'lib',
  description: 'shared libraries, compilers and programs',
  folders: [
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib/gcc',
    '/usr/bin',
    '/usr/local/go/pkg',
    '/usr/libexec',
  ],
  maxFileBytes: 128 * MB,
};

/** Many small files: what language packages are. */
export const SMALL_FILES: FileKind = {
  name: 'small',
  description: 'small files: headers, sources, documents, node_modules',
  folders: ['/usr/include', '/usr/local/go/src', resolve('node_modules'), '/usr/share'],
  maxFileBytes: MB / 4,
};

/** Hands out each file once; names of one file after the first (hard links) would be entries without bytes, and are left out. */
export class FileSupply {
  readonly #kind: FileKind;
  readonly #files: AsyncIterator<ChosenFile>;
  readonly #linked = new Set<string>();

  constructor(kind: FileKind) {
    this.#kind = kind;
    this.#files = walkAll(kind.folders);
  }

  /** The next files, until they hold `bytes` together or the machine has no more. One that is too large is left out for good. */
  async *take(bytes: number): AsyncGenerator<ChosenFile> {
    let left = bytes;
    // What still fits into the last half percent may be far away.
    while (left > bytes / 200) {
      const next = await this.#files.next();
      if (next.done === true) return;
      const { stats } = next.value;
      if (stats.isFile() && !this.#isWanted(stats, left)) continue;
      if (stats.isFile()) left -= stats.size;
      yield next.value;
    }
  }

  #isWanted({ size, nlink, dev, ino }: Stats, leftBytes: number): boolean {
    if (size > Math.min(this.#kind.maxFileBytes, leftBytes)) return false;
    if (nlink === 1) return true;
    const inode = `${dev}:${ino}`;
    if (this.#linked.has(inode)) return false;
    this.#linked.add(inode);
    return true;
  }
}

async function* walkAll(folders: readonly string[]): AsyncGenerator<ChosenFile> {
  for (const folder of folders.filter((each) => existsSync(each))) yield* walkTree(folder, folder.slice(1));
}
