/** The merged tree as a list, sorted by the bytes of the path and made while it is read. */
import { ClipctlError } from '../errors.ts';
import { EMPTY_BYTES, type ByteString } from '../byte-string.ts';
import type { TarEntry, TarTime } from '../tar/tar-entry.ts';
import { ROOT_PATH } from './clean-path.ts';
import type { LayerIndex, MergedEntry, MergedTree } from './entry.ts';
import { inodeNumbersOf } from './inode-number.ts';
import { pathOf, type FileRecord, type Tree, type TreeNode } from './tree.ts';

export interface FlattenOptions {
  readonly layers: readonly LayerIndex[];
  /** Time of directories that no layer lists. */
  readonly madeTime: TarTime;
  readonly maxEntries: number;
}

interface NamedNode {
  readonly path: ByteString;
  readonly node: TreeNode;
}

/** The live names of one file. */
interface Names {
  count: number;
  /** The name it came under while that lives, else the first in byte order. */
  primary: NamedNode;
}

/** @throws ClipctlError LIMIT_ENTRIES */
export function flattenTree(tree: Tree, options: FlattenOptions): Pick<MergedTree, 'entries' | 'notable'> {
  const { length, linked, special } = surveyTree(tree, options.maxEntries);
  const files = namesByFile(linked);
  const inodeOf = inodesOf(files, options.layers);
  const merge = ({ path, node }: NamedNode): MergedEntry =>
    mergedEntry({ path, node, names: files.get(node.file), inode: inodeOf(node, path) }, options);
  const entries = {
    length,
    *[Symbol.iterator]() {
      for (const named of sortedNames(tree)) yield merge(named);
    },
  };
  const links = linked.filter((node) => !special.has(node) && files.get(node.file)?.primary.node !== node);
  const notable = [...special, ...links].map((node) => ({ path: pathOf(node), node }));
  return { entries, notable: notable.sort(byPath).map(merge) };
}

interface Survey {
  readonly length: number;
  /** All names of files that have, or had, more than one. */
  readonly linked: readonly TreeNode[];
  /** Names of files that have what only few have. */
  readonly special: ReadonlySet<TreeNode>;
}

/** One walk in no order, so that a second one in order needs to keep nothing. */
function surveyTree({ root }: Tree, maxEntries: number): Survey {
  const special = new Set<TreeNode>();
  const shared = new Set<FileRecord>();
  const open = [root];
  let length = 0;
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    length += 1;
    if (length > Math.max(1, maxEntries)) throw tooManyEntries(maxEntries);
    if (node.file.origin !== node) shared.add(node.file);
    if (node.file.entry !== undefined && isSpecial(node.file.entry)) special.add(node);
    for (const child of node.children?.values() ?? []) open.push(child);
  }
  return { length, linked: shared.size === 0 ? [] : nodesOf(root, shared), special };
}

const PLAIN_KINDS: ReadonlySet<TarEntry['kind']> = new Set(['file', 'hardlink', 'directory', 'symlink']);

function isSpecial({ kind, xattrs, sparse }: TarEntry): boolean {
  return !PLAIN_KINDS.has(kind) || xattrs.size > 0 || sparse !== undefined;
}

function nodesOf(root: TreeNode, files: ReadonlySet<FileRecord>): TreeNode[] {
  const found: TreeNode[] = [];
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (files.has(node.file)) found.push(node);
    for (const child of node.children?.values() ?? []) open.push(child);
  }
  return found;
}

/**
 * Byte order of whole paths is not the order of a walk: `/a-b` stands between `/a` and `/a/x`. So a directory takes two
 * places among its siblings, `a` for itself and `a/` for what is below it; sorting these keys gives the order.
 */
function* sortedNames({ root }: Tree): Generator<NamedNode, void, undefined> {
  yield { path: ROOT_PATH, node: root };
  const open = [{ prefix: ROOT_PATH, directory: root, keys: sortedKeys(root), next: 0 }];
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    const key = level.keys[level.next];
    level.next += 1;
    if (key === undefined) {
      open.pop();
      continue;
    }
    const isBelow = key.endsWith('/');
    const node = level.directory.children?.get((isBelow ? key.slice(0, -1) : key) as ByteString);
    if (node === undefined) continue;
    const path = (level.prefix + key) as ByteString;
    if (isBelow) open.push({ prefix: path, directory: node, keys: sortedKeys(node), next: 0 });
    else yield { path, node };
  }
}

function sortedKeys(directory: TreeNode): string[] {
  const keys: string[] = [];
  for (const [name, child] of directory.children ?? []) {
    keys.push(name);
    if (child.children !== undefined && child.children.size > 0) keys.push(`${name}/`);
  }
  return keys.sort();
}

function namesByFile(linked: readonly TreeNode[]): Map<FileRecord, Names> {
  const files = new Map<FileRecord, Names>();
  for (const node of linked) {
    const named = { path: pathOf(node), node };
    const names = files.get(node.file);
    if (names === undefined) files.set(node.file, { count: 1, primary: named });
    else {
      names.count += 1;
      if (isPrimary(named, names.primary)) names.primary = named;
    }
  }
  return files;
}

function isPrimary(named: NamedNode, other: NamedNode): boolean {
  const { origin } = named.node.file;
  return named.node === origin || (other.node !== origin && named.path < other.path);
}

function byPath(left: NamedNode, right: NamedNode): number {
  return left.path < right.path ? -1 : 1;
}

function inodesOf(files: ReadonlyMap<FileRecord, Names>, layers: readonly LayerIndex[]) {
  const byLayer = layers.map(({ digest }) => inodeNumbersOf(digest));
  const known = new Map<FileRecord, bigint>();
  return (node: TreeNode, path: ByteString): bigint => {
    const { file } = node;
    const inodeNumber = byLayer[file.layer];
    // Only a root that no layer lists belongs to no layer.
    if (inodeNumber === undefined) return 1n;
    if (!files.has(file)) return inodeNumber(path);
    const inode = known.get(file) ?? inodeNumber(pathOf(file.origin));
    known.set(file, inode);
    return inode;
  };
}

interface Named extends NamedNode {
  readonly names: Names | undefined;
  readonly inode: bigint;
}

/** Optional fields are set one by one: spreading each condition took half the time of a merge of 1M entries. */
function mergedEntry({ path, node, names, inode }: Named, { layers, madeTime }: FlattenOptions): MergedEntry {
  const { entry, layer } = node.file;
  const digest = layers[layer]?.digest;
  if (entry === undefined || digest === undefined) return madeDirectory(path, inode, madeTime);
  const kind = entry.kind === 'hardlink' ? 'file' : entry.kind;
  const merged: Building = {
    path,
    kind,
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    size: kind === 'file' ? entry.size : kind === 'symlink' ? entry.linkName.length : 0,
    mtime: entry.mtime,
    target: kind === 'symlink' ? entry.linkName : EMPTY_BYTES,
    linkCount: kind === 'directory' ? 2 : (names?.count ?? 1),
    inode,
    xattrs: entry.xattrs,
    deviceMajor: entry.deviceMajor,
    deviceMinor: entry.deviceMinor,
    layer: digest,
  };
  if (kind === 'file') merged.content = contentOf(entry, digest);
  if (entry.atime !== undefined) merged.atime = entry.atime;
  if (entry.ctime !== undefined) merged.ctime = entry.ctime;
  if (entry.sparse !== undefined) merged.sparse = entry.sparse;
  if (names !== undefined && names.primary.node !== node) merged.hardLinkTo = names.primary.path;
  return merged;
}

type Building = { -readonly [Key in keyof MergedEntry]: MergedEntry[Key] };

function contentOf(entry: TarEntry, layer: LayerIndex['digest']) {
  return { layer, uncompressedOffset: entry.payloadOffset, length: entry.storedBytes };
}

/** mode 0755 and owner root, as containerd and Docker make them; the image's time, not today's. */
function madeDirectory(path: ByteString, inode: bigint, time: TarTime): MergedEntry {
  const times = { mtime: time, atime: time, ctime: time };
  const owner = { mode: 0o755, uid: 0, gid: 0 };
  const nothing = { size: 0, target: EMPTY_BYTES, xattrs: new Map<ByteString, ByteString>(), deviceMajor: 0, deviceMinor: 0 };
  return { path, kind: 'directory', ...owner, ...times, ...nothing, linkCount: 2, inode };
}

function tooManyEntries(maxEntries: number): ClipctlError {
  return new ClipctlError('LIMIT_ENTRIES', `the image has more than ${maxEntries} entries`, {
    details: { maxEntries },
    hint: 'Raise --max-entries if you trust this image.',
  });
}
