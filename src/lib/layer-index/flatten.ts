/** The merged tree as a list, sorted by the bytes of the path. */
import { ClipctlError } from '../errors.ts';
import { EMPTY_BYTES, type ByteString } from '../byte-string.ts';
import type { TarEntry, TarTime } from '../tar/tar-entry.ts';
import { ROOT_PATH } from './clean-path.ts';
import type { LayerIndex, MergedEntry } from './entry.ts';
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
export function flattenTree(tree: Tree, options: FlattenOptions): MergedEntry[] {
  const named = sortedNames(tree, options.maxEntries);
  const files = namesByFile(named);
  const inodeOf = inodesOf(files, options.layers);
  return named.map(({ path, node }) => {
    const names = files.get(node.file);
    return mergedEntry({ path, node, names, inode: inodeOf(node, path) }, options);
  });
}

/**
 * Byte order of whole paths is not the order of a walk: `/a-b` stands between `/a` and `/a/x`. So a directory takes two
 * places among its siblings, `a` for itself and `a/` for what is below it; sorting these keys gives the order.
 */
function sortedNames({ root }: Tree, maxEntries: number): NamedNode[] {
  const named: NamedNode[] = [{ path: ROOT_PATH, node: root }];
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
    else if (named.push({ path, node }) > maxEntries) throw tooManyEntries(maxEntries);
  }
  return named;
}

function sortedKeys(directory: TreeNode): string[] {
  const keys: string[] = [];
  for (const [name, child] of directory.children ?? []) {
    keys.push(name);
    if (child.children !== undefined && child.children.size > 0) keys.push(`${name}/`);
  }
  return keys.sort();
}

/** Only files that have, or had, more than one name are counted; all others have one. */
function namesByFile(named: readonly NamedNode[]): Map<FileRecord, Names> {
  const shared = new Set<FileRecord>();
  for (const { node } of named) if (node.file.origin !== node) shared.add(node.file);
  const files = new Map<FileRecord, Names>();
  if (shared.size === 0) return files;
  for (const name of named) {
    const { file } = name.node;
    if (!shared.has(file)) continue;
    const names = files.get(file);
    if (names === undefined) files.set(file, { count: 1, primary: name });
    else {
      names.count += 1;
      if (file.origin === name.node) names.primary = name;
    }
  }
  return files;
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
