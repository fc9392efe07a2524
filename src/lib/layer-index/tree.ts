/**
 * The tree that layers are laid on, one name a node. Names and files are apart, as in a file system: hard links are
 * several names of one FileRecord, and replacing one name leaves the others what they were.
 */
import { ClipctlError } from '../errors.ts';
import type { ByteString } from '../byte-string.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { ROOT_PATH } from './clean-path.ts';

/** What the names of one file share. */
export interface FileRecord {
  /** Undefined for a directory that no layer has an entry for. A `hardlink` here is one not resolved yet. */
  readonly entry: TarEntry | undefined;
  /** Position of the layer that brought it, bottom = 0. */
  readonly layer: number;
  /** The name it came under; its path makes the inode number, even after that name is gone. */
  readonly origin: TreeNode;
}

export interface TreeNode {
  readonly name: ByteString;
  readonly parent: TreeNode | undefined;
  /** Set for directories only. */
  readonly children: Map<ByteString, TreeNode> | undefined;
  file: FileRecord;
  /** Position of the layer that last listed this name; -1 while none did (made parents, the root). */
  listedBy: number;
}

export interface NewName {
  readonly parent: TreeNode;
  readonly name: ByteString;
  readonly layer: number;
}

/**
 * Bytes of paths that made parents may take. One name of 16 KiB can imply 8,192 parents with 64 MiB of paths: without a
 * cap, a small tar makes an index of any size.
 */
const MAX_MADE_PATH_BYTES = 64 * 1024 * 1024;

export class Tree {
  readonly root: TreeNode = newRoot();
  #madePathBytes = 0;
  #generation = 0;

  /** Changes whenever a directory goes or a symlink comes or goes, that is when a resolved parent may be stale. */
  get generation(): number {
    return this.#generation;
  }

  /** Sets a name to a file of its own; what the name was before goes, with everything below it. */
  putFile(place: NewName, entry: TarEntry): TreeNode {
    return this.#list(this.#putNode(place, entry.kind === 'directory', entry), place.layer);
  }

  /** Sets a name to a file that has a name already. */
  putLink(place: NewName, file: FileRecord): TreeNode {
    const node = this.#putNode(place, false, undefined);
    node.file = file;
    return this.#list(node, place.layer);
  }

  /**
   * The directory `missing` below `directory`, made where it is not there.
   * @throws ClipctlError LIMIT_ENTRIES when made parents alone would make a huge index.
   */
  makeDirectories(directory: TreeNode, missing: readonly ByteString[], layer: number): TreeNode {
    let current = directory;
    let pathBytes = missing.length === 0 ? 0 : pathOf(directory).length;
    for (const name of missing) {
      pathBytes += name.length + 1;
      this.#madePathBytes += pathBytes;
      if (this.#madePathBytes > MAX_MADE_PATH_BYTES) throw tooManyParents();
      current = this.#putNode({ parent: current, name, layer }, true, undefined);
    }
    return current;
  }

  remove(node: TreeNode): void {
    if (node.parent?.children?.get(node.name) !== node) return;
    node.parent.children.delete(node.name);
    this.#generation += 1;
  }

  removeChildren(directory: TreeNode): void {
    directory.children?.clear();
    this.#generation += 1;
  }

  #list(node: TreeNode, layer: number): TreeNode {
    node.listedBy = layer;
    if (isSymlink(node)) this.#generation += 1;
    return node;
  }

  /** With a file of its own. */
  #putNode({ parent, name, layer }: NewName, isDirectory: boolean, entry: TarEntry | undefined): TreeNode {
    const previous = parent.children?.get(name);
    if (previous !== undefined && (previous.children !== undefined || isSymlink(previous))) this.#generation += 1;
    const node = newNode({ name, parent, layer }, isDirectory, entry);
    parent.children?.set(name, node);
    return node;
  }
}

type NewNode = Pick<TreeNode, 'name' | 'parent'> & Pick<FileRecord, 'layer'>;

function newNode({ name, parent, layer }: NewNode, isDirectory: boolean, entry: TarEntry | undefined): TreeNode {
  const node: Omit<TreeNode, 'file'> & { file: FileRecord | undefined } = {
    name,
    parent,
    children: isDirectory ? new Map<ByteString, TreeNode>() : undefined,
    file: undefined,
    listedBy: -1,
  };
  node.file = { entry, layer, origin: node as TreeNode };
  return node as TreeNode;
}

function newRoot(): TreeNode {
  return newNode({ name: '' as ByteString, parent: undefined, layer: -1 }, true, undefined);
}

/** True for a name that stands for a symlink. */
export function isSymlink(node: TreeNode): boolean {
  return node.file.entry?.kind === 'symlink';
}

/** True for a hard link whose target has not been found yet. */
export function isUnresolvedLink(node: TreeNode): boolean {
  return node.file.entry?.kind === 'hardlink';
}

/** True while the name can be reached from the root. */
export function isAttached(node: TreeNode): boolean {
  let current = node;
  while (current.parent !== undefined) {
    if (current.parent.children?.get(current.name) !== current) return false;
    current = current.parent;
  }
  return true;
}

/** The path of a name, also of one that is gone. */
export function pathOf(node: TreeNode): ByteString {
  if (node.parent === undefined) return ROOT_PATH;
  const names: string[] = [];
  for (let current: TreeNode = node; current.parent !== undefined; current = current.parent) names.push(current.name);
  return `/${names.reverse().join('/')}` as ByteString;
}

function tooManyParents(): ClipctlError {
  return new ClipctlError('LIMIT_ENTRIES', 'the image implies too many directories that no layer lists', {
    details: { maxMadePathBytes: MAX_MADE_PATH_BYTES },
    hint: 'This is how a hostile archive looks; nothing but smaller layers helps.',
  });
}
