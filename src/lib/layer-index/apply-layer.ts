import type { ByteString } from '../byte-string.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { baseOf, cleanPath, parentOf, ROOT_PATH } from './clean-path.ts';
import type { LayerIndex } from './entry.ts';
import { isLinkable, resolveWaiting, targetOf, warnDropped } from './hard-links.ts';
import type { Resolver } from './resolve.ts';
import type { NewName, Tree, TreeNode } from './tree.ts';
import { quotePath, warnEscape, warningsOf, type LayerWarnings, type WarningLog } from './warning-log.ts';
import { applyWhiteouts, markerKind, METADATA_PREFIX } from './whiteout.ts';

/** Four times Linux' PATH_MAX: no unpacked image has such a path, and deeper ones make quadratic indexes. */
const MAX_PATH_BYTES = 16 * 1024;

export interface LayerContext {
  readonly tree: Tree;
  readonly resolver: Resolver;
  readonly log: WarningLog;
}

/** What placing the entries of one layer works with. */
interface Placing {
  readonly tree: Tree;
  readonly resolver: Resolver;
  readonly warnings: LayerWarnings;
  readonly layer: number;
  /** Hard links whose target was not there when they came. */
  readonly waiting: TreeNode[];
  /** aufs' own directories: their files can be targets of hard links, then they go (as Docker does). */
  readonly metadata: TreeNode[];
  readonly duplicates: { count: number; first: ByteString | undefined };
}

/** Lays one layer on the tree: first its whiteouts, then its entries in tar order, then the hard links that had to wait. */
export function applyLayer(index: LayerIndex, layer: number, { tree, resolver, log }: LayerContext): void {
  const warnings = warningsOf(log, index.digest);
  const duplicates = { count: 0, first: undefined };
  const placing: Placing = { tree, resolver, warnings, layer, waiting: [], metadata: [], duplicates };
  applyWhiteouts(index.entries, placing);
  for (const entry of index.entries) placeEntry(entry, placing);
  resolveWaiting(placing.waiting, placing);
  for (const node of placing.metadata) tree.remove(node);
  warnDuplicates(placing);
}

function placeEntry(entry: TarEntry, placing: Placing): void {
  const { name } = entry;
  const { path, escapes } = cleanPath(name);
  const base = baseOf(path);
  if (markerKind(base) !== undefined) return;
  if (!isUsable(entry, { name, path }, placing.warnings)) return;
  if (escapes) warnEscape(path, `name ${quotePath(name)}`, placing.warnings);
  if (path === ROOT_PATH) return placeRoot(entry, placing);
  const parent = parentFor(path, placing);
  if (parent === undefined) return;
  const place: NewName = { parent, name: base, layer: placing.layer };
  const existing = parent.children?.get(base);
  if (existing?.listedBy === placing.layer) countDuplicate(path, placing);
  if (entry.kind === 'hardlink') return placeHardLink(entry, { place, path, existing }, placing);
  if (entry.kind === 'directory' && existing?.children !== undefined) relist(existing, entry, placing.layer);
  else placing.tree.putFile(place, entry);
}

interface EntryName {
  /** As the tar has it. */
  readonly name: ByteString;
  readonly path: ByteString;
}

function isUsable(entry: TarEntry, { name, path }: EntryName, warnings: LayerWarnings): boolean {
  if (name.includes('\0') || (entry.kind === 'symlink' && entry.linkName.includes('\0'))) {
    warnings.warn('NAME_INVALID', path, `${quotePath(path)} has a NUL byte in its name or target: left out`);
    return false;
  }
  if (path.length > MAX_PATH_BYTES) {
    warnings.warn('NAME_INVALID', path, `${quotePath(path)} is longer than ${MAX_PATH_BYTES} bytes: left out`);
    return false;
  }
  return true;
}

/** Only a directory can be the root; anything else that cleans to `/` has no name (containerd ignores it, too). */
function placeRoot(entry: TarEntry, placing: Placing): void {
  const { root } = placing.tree;
  if (entry.kind !== 'directory') {
    placing.warnings.warn('NAME_INVALID', ROOT_PATH, `${quotePath(entry.name)} is the root and no directory: left out`);
    return;
  }
  if (root.listedBy === placing.layer) countDuplicate(ROOT_PATH, placing);
  relist(root, entry, placing.layer);
}

/** A directory over a directory takes the new attributes and keeps its children. */
function relist(node: TreeNode, entry: TarEntry, layer: number): void {
  node.file = { entry, layer, origin: node };
  node.listedBy = layer;
}

/**
 * The directory that `path` goes into. A parent that is a file, or symlinks in a circle, make containerd refuse the whole
 * layer; an index must not fail for one entry, so that entry alone is left out.
 */
function parentFor(path: ByteString, { tree, resolver, warnings, layer, metadata }: Placing): TreeNode | undefined {
  const resolution = resolver.directoryAt(parentOf(path));
  if (resolution.status !== 'found') {
    const why = resolution.status === 'loop' ? 'leads through too many symlinks' : 'is no directory';
    warnings.warn('PARENT_NOT_DIRECTORY', path, `the parent of ${quotePath(path)} ${why}: left out`);
    return undefined;
  }
  if (resolution.missing.length === 0) return resolution.directory;
  const directory = tree.makeDirectories(resolution.directory, resolution.missing, layer);
  if (resolution.missing.some((name) => name.startsWith(METADATA_PREFIX))) metadata.push(...metadataAbove(directory));
  return directory;
}

function metadataAbove(directory: TreeNode): TreeNode[] {
  const found: TreeNode[] = [];
  for (let node: TreeNode | undefined = directory; node !== undefined; node = node.parent) {
    if (node.name.startsWith(METADATA_PREFIX)) found.push(node);
  }
  return found;
}

interface LinkPlace {
  readonly place: NewName;
  readonly path: ByteString;
  readonly existing: TreeNode | undefined;
}

function placeHardLink(entry: TarEntry, { place, path, existing }: LinkPlace, placing: Placing): void {
  const { tree, resolver, warnings } = placing;
  if (cleanPath(entry.linkName).escapes) warnEscape(path, `hard link target ${quotePath(entry.linkName)}`, warnings);
  const target = targetOf(entry, resolver);
  // link(2) to itself would remove the file first and then fail; the file stays.
  if (isLinkable(target) && target === existing) warnDropped('HARD_LINK_CYCLE', { path, target: entry.linkName, warnings });
  else if (isLinkable(target)) tree.putLink(place, target.file);
  else placing.waiting.push(tree.putFile(place, entry));
}

function countDuplicate(path: ByteString, { duplicates }: Placing): void {
  duplicates.count += 1;
  duplicates.first ??= path;
}

function warnDuplicates({ duplicates, warnings }: Placing): void {
  if (duplicates.first === undefined) return;
  const message = `${duplicates.count} entries have the path of an earlier one of the same layer, the first ${quotePath(duplicates.first)}: the last one counts`;
  warnings.warn('DUPLICATE_PATH', duplicates.first, message);
}
