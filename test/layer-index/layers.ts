/** Builds layers out of a few words, for tests of the merge. */
import { byteStringFromText, textOf, type ByteString } from '../../src/lib/byte-string.ts';
import type { LayerIndex, MergedEntry, MergedTree } from '../../src/lib/layer-index/entry.ts';
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

/** The entry at a path, as text. */
export function at(tree: MergedTree, path: string): MergedEntry | undefined {
  const wanted = byteStringFromText(path);
  return tree.entries.find((found) => found.path === wanted);
}

/** The paths but the root, as text. */
export function pathsOf(tree: MergedTree): string[] {
  return tree.entries.slice(1).map(({ path }) => textOf(path));
}

/** `path kind size target`, one line an entry, the root left out. */
export function listing(tree: MergedTree): string[] {
  return tree.entries.slice(1).map(({ path, kind, size, target }) => {
    const rest = kind === 'symlink' ? ` -> ${textOf(target)}` : kind === 'file' ? ` ${size}` : '';
    return `${textOf(path)} ${kind}${rest}`;
  });
}

/** The codes of the warnings, in order. */
export function codesOf(tree: MergedTree): string[] {
  return tree.warnings.map(({ code }) => code);
}
