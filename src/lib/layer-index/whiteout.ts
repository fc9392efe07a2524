/**
 * Whiteouts (OCI image specification, layer.md "Whiteouts"): `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq`
 * hides everything its directory has below. Both are applied before anything of their own layer is placed, so neither
 * can touch that layer and their order in it means nothing.
 */
import type { ByteString } from '../byte-string.ts';
import type { EntryList } from '../tar/packed-entries.ts';
import { baseOf, cleanPath, parentOf } from './clean-path.ts';
import type { Resolver } from './resolve.ts';
import { pathOf, type Tree, type TreeNode } from './tree.ts';
import { quotePath, warnEscape, type LayerWarnings } from './warning-log.ts';

const PREFIX = '.wh.';
/** What aufs keeps for itself; never part of an image. */
export const METADATA_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

/** What the last component of a path says. */
export function markerKind(base: ByteString): 'opaque' | 'metadata' | 'whiteout' | undefined {
  if (!base.startsWith(PREFIX)) return undefined;
  if (base === OPAQUE) return 'opaque';
  return base.startsWith(METADATA_PREFIX) ? 'metadata' : 'whiteout';
}

interface Removal {
  readonly directory: TreeNode;
  /** Undefined: all that is in the directory. */
  readonly name: ByteString | undefined;
}

export interface WhiteoutContext {
  readonly tree: Tree;
  readonly resolver: Resolver;
  readonly warnings: LayerWarnings;
}

/** Takes away from the tree, which holds the layers below only, what the markers among `entries` hide. */
export function applyWhiteouts(entries: EntryList, context: WhiteoutContext): void {
  const removals: Removal[] = [];
  const listed = lazyPathsOf(entries);
  for (const entry of entries) {
    const { name } = entry;
    if (!name.includes(PREFIX)) continue;
    const removal = removalOf(name, context, listed);
    if (removal !== undefined) removals.push(removal);
  }
  // All parents are found before anything goes: removing a symlink must not change what another marker means.
  for (const { directory, name } of removals) {
    if (name === undefined) context.tree.removeChildren(directory);
    else {
      const victim = directory.children?.get(name);
      if (victim !== undefined) context.tree.remove(victim);
    }
  }
}

function removalOf(
  markerName: ByteString,
  { resolver, warnings }: WhiteoutContext,
  listed: () => ReadonlySet<ByteString>,
): Removal | undefined {
  const { path, escapes } = cleanPath(markerName);
  const base = baseOf(path);
  const kind = markerKind(base);
  if (kind === undefined || kind === 'metadata') return undefined;
  if (escapes) warnEscape(path, `name ${quotePath(markerName)}`, warnings);
  const victim = base.slice(PREFIX.length) as ByteString;
  if (kind === 'whiteout' && (victim === '' || victim === '.' || victim === '..')) {
    warnings.warn('WHITEOUT_INVALID', path, `whiteout ${quotePath(path)} names no file: ignored`);
    return undefined;
  }
  // `mkdir` over a removed symlink yields a directory with an opaque marker: what the old symlink led to is not meant.
  const mayFollow = (symlink: TreeNode): boolean => !listed().has(pathOf(symlink));
  const parent = resolver.directoryAt(parentOf(path), { mayFollow });
  if (parent.status !== 'found' || parent.missing.length > 0) return undefined;
  return { directory: parent.directory, name: kind === 'opaque' ? undefined : victim };
}

/** The paths a layer lists, built only when a marker's parent turns out to be a symlink. */
function lazyPathsOf(entries: EntryList): () => ReadonlySet<ByteString> {
  let paths: Set<ByteString> | undefined;
  return () => {
    if (paths === undefined) {
      paths = new Set();
      for (const { name } of entries) paths.add(cleanPath(name).path);
    }
    return paths;
  };
}
