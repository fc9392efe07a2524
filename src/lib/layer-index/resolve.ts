/**
 * Finds the directory a path means, through symlinks, inside the root: `..` never leaves it, an absolute target starts
 * at it. A component that is not there counts as a directory still to be made, so `missing/../x` is `x` (as securejoin
 * and containerd's fs.RootPath do).
 */
import type { ByteString } from '../byte-string.ts';
import { isSymlink, type Tree, type TreeNode } from './tree.ts';

/** Linux gives up after 40 symlinks in one path (ELOOP). */
const MAX_LINKS = 40;
/** Linux has no symlink target of 4,096 bytes or more (PATH_MAX). */
const MAX_TARGET_BYTES = 4095;
/**
 * Bytes of symlink targets followed in one merge: above any real image, and some seconds of work. A small tar whose names
 * each lead through 40 long targets could take hours otherwise.
 */
const MAX_FOLLOWED_BYTES = 100_000_000;

export type Resolution =
  | { readonly status: 'found'; readonly directory: TreeNode; readonly missing: readonly ByteString[] }
  | { readonly status: 'not-directory' | 'loop' | 'not-followed' };

export interface ResolveOptions {
  /** Asked before a symlink is followed; `false` ends the search with `not-followed`. */
  readonly mayFollow?: (symlink: TreeNode) => boolean;
}

export class Resolver {
  readonly #tree: Tree;
  #followedBytes = 0;
  #lastPath: ByteString | undefined;
  #lastDirectory: TreeNode | undefined;
  #lastGeneration = -1;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** The directory at a clean path. Remembers the last answer: a tar lists the files of a directory one after another. */
  directoryAt(path: ByteString, options: ResolveOptions = {}): Resolution {
    if (this.#lastPath === path && this.#lastGeneration === this.#tree.generation && this.#lastDirectory !== undefined) {
      if (options.mayFollow === undefined) return { status: 'found', directory: this.#lastDirectory, missing: [] };
    }
    const resolution = this.#walk(path, options);
    if (resolution.status === 'found' && resolution.missing.length === 0) this.#remember(path, resolution.directory);
    return resolution;
  }

  /** The name at `parent`/`base`; a symlink there is not followed. Undefined when there is none. */
  nameAt(parent: ByteString, base: ByteString): TreeNode | undefined {
    const resolution = this.directoryAt(parent);
    if (resolution.status !== 'found' || resolution.missing.length > 0) return undefined;
    return base === '' ? resolution.directory : resolution.directory.children?.get(base);
  }

  #remember(path: ByteString, directory: TreeNode): void {
    this.#lastPath = path;
    this.#lastDirectory = directory;
    this.#lastGeneration = this.#tree.generation;
  }

  #walk(path: ByteString, options: ResolveOptions): Resolution {
    const ahead = componentsOf(path);
    const missing: ByteString[] = [];
    let current = this.#tree.root;
    let links = 0;
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (missing.pop() === undefined) current = current.parent ?? current;
        continue;
      }
      const child = missing.length > 0 ? undefined : current.children?.get(name);
      if (child === undefined) missing.push(name);
      else if (child.children !== undefined) current = child;
      else {
        if (!isSymlink(child)) return { status: 'not-directory' };
        if (options.mayFollow?.(child) === false) return { status: 'not-followed' };
        links += 1;
        const target = links > MAX_LINKS ? undefined : this.#targetOf(child);
        if (target === undefined) return { status: 'loop' };
        if (target.startsWith('/')) current = this.#tree.root;
        for (const component of componentsOf(target)) ahead.push(component);
      }
    }
    return { status: 'found', directory: current, missing };
  }

  #targetOf(symlink: TreeNode): ByteString | undefined {
    const target = symlink.file.entry?.linkName;
    if (target === undefined || target.length > MAX_TARGET_BYTES) return undefined;
    this.#followedBytes += target.length;
    return this.#followedBytes > MAX_FOLLOWED_BYTES ? undefined : target;
  }
}

/** Last component first, to be popped from the end. */
function componentsOf(path: ByteString): ByteString[] {
  return path.split('/').reverse() as ByteString[];
}
