/** Builds layers out of a few words, for tests of the merge. */
import { isDeepStrictEqual } from 'node:util';
import { byteStringFromText, textOf, type ByteString } from '../../src/lib/byte-string.ts';
import type { LayerIndex, MergedEntry, MergedTree } from '../../src/lib/layer-index/entry.ts';
import { mergeLayers as mergeLazily, type MergeOptions } from '../../src/lib/layer-index/merge.ts';
import { parseDigest, type Digest } from '../../src/lib/oci/digest.ts';
import type { TarEntry, TarEntryKind } from '../../src/lib/tar/tar-entry.ts';

const TYPE_FLAGS: Readonly<Record<TarEntryKind, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

export type EntryFields = Partial<Omit<TarEntry, 'name' | 'kind'>>;

export function entry(kind: TarEntryKind, name: string, fields: EntryFields = {}): TarEntry {
  return {
    kind,
    typeFlag: TYPE_FLAGS[kind].charCodeAt(0),
    name: byteStringFromText(name),
    linkName: '' as ByteString,
    mode: kind === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    userName: '' as ByteString,
    groupName: '' as ByteString,
    size: 0,
    mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: new Map(),
    payloadOffset: 512,
    storedBytes: fields.size ?? 0,
    ...fields,
  };
}

/** A regular file; `size` tells files apart. */
export const file = (name: string, size = 1, fields: EntryFields = {}): TarEntry => entry('file', name, { size, ...fields });
export const dir = (name: string, fields: EntryFields = {}): TarEntry => entry('directory', name, fields);
export const symlink = (name: string, target: string): TarEntry =>
  entry('symlink', name, { linkName: byteStringFromText(target), mode: 0o777 });
export const link = (name: string, target: string, fields: EntryFields = {}): TarEntry =>
  entry('hardlink', name, { linkName: byteStringFromText(target), ...fields });

/** The digest of the layer number `position`. */
export function layerDigest(position: number): Digest {
  return parseDigest(`sha256:${position.toString(16).padStart(64, '0')}`, 'test');
}

/** Layers, bottom first. */
export function layersOf(...layers: readonly (readonly TarEntry[])[]): LayerIndex[] {
  return layers.map((entries, position) => ({ digest: layerDigest(position), entries }));
}

/** A merged tree whose entries are in memory. */
export interface WholeTree extends MergedTree {
  readonly entries: readonly MergedEntry[];
}

/** Merges, and reads the entries twice: the second time they must be the same. */
export function mergeLayers(layers: readonly LayerIndex[], options: MergeOptions = {}): WholeTree {
  const tree = mergeLazily(layers, options);
  const entries = [...tree.entries];
  const notable = entries.filter(isNotable);
  if (entries.length !== tree.entries.length) throw new Error('the list has another length than it says');
  if (!isDeepStrictEqual(entries, [...tree.entries])) throw new Error('the list changes');
  if (!isDeepStrictEqual(notable, tree.notable)) throw new Error('other entries are notable');
  return { ...tree, entries };
}

function isNotable({ kind, xattrs, sparse, hardLinkTo }: MergedEntry): boolean {
  const isPlainKind = kind === 'file' || kind === 'directory' || kind === 'symlink';
  return !isPlainKind || xattrs.size > 0 || sparse !== undefined || hardLinkTo !== undefined;
}

/** The entry at a path, as text. */
export function at(tree: WholeTree, path: string): MergedEntry | undefined {
  const wanted = byteStringFromText(path);
  return tree.entries.find((found) => found.path === wanted);
}

/** The paths but the root, as text. */
export function pathsOf(tree: WholeTree): string[] {
  return tree.entries.slice(1).map(({ path }) => textOf(path));
}

/** `path kind size target`, one line an entry, the root left out. */
export function listing(tree: WholeTree): string[] {
  return tree.entries.slice(1).map(({ path, kind, size, target }) => {
    const rest = kind === 'symlink' ? ` -> ${textOf(target)}` : kind === 'file' ? ` ${size}` : '';
    return `${textOf(path)} ${kind}${rest}`;
  });
}

/** The codes of the warnings, in order. */
export function codesOf(tree: WholeTree): string[] {
  return tree.warnings.map(({ code }) => code);
}
