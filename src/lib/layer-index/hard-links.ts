/**
 * Hard links. One whose target stands in the tree shares its file at once, in tar order, as link(2) would. One whose
 * target is still to come waits until the layer is placed. One that leads nowhere is dropped with a warning: a name
 * without content would read as an empty file, which is a lie.
 */
import type { ByteString } from '../byte-string.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { baseOf, cleanPath, parentOf } from './clean-path.ts';
import type { MergeWarning } from './entry.ts';
import type { Resolver } from './resolve.ts';
import { isAttached, isUnresolvedLink, pathOf, type FileRecord, type Tree, type TreeNode } from './tree.ts';
import { quotePath, type LayerWarnings } from './warning-log.ts';

/** The name a hard link's target means now: its parents through symlinks, itself not (a hard link to a symlink is one). */
export function targetOf(link: TarEntry, resolver: Resolver): TreeNode | undefined {
  if (link.linkName.includes('\0')) return undefined;
  const { path } = cleanPath(link.linkName);
  return resolver.nameAt(parentOf(path), baseOf(path));
}

/** True for a target whose file can be shared now. */
export function isLinkable(target: TreeNode | undefined): target is TreeNode {
  return target !== undefined && target.children === undefined && !isUnresolvedLink(target);
}

export interface HardLinkContext {
  readonly tree: Tree;
  readonly resolver: Resolver;
  readonly warnings: LayerWarnings;
}

/** Gives the links that had to wait their files, or drops them. Each link is walked once, whatever the chains. */
export function resolveWaiting(waiting: readonly TreeNode[], context: HardLinkContext): void {
  for (const node of waiting) {
    if (!isUnresolvedLink(node) || !isAttached(node)) continue;
    const chain = new Set<TreeNode>();
    const end = followChain(node, chain, context.resolver);
    if (typeof end === 'string') dropAll(chain, end, context);
    else for (const link of chain) link.file = end;
  }
}

type DeadEnd = Extract<MergeWarning['code'], `HARD_LINK_${string}`>;

function followChain(start: TreeNode, chain: Set<TreeNode>, resolver: Resolver): FileRecord | DeadEnd {
  let current = start;
  for (;;) {
    chain.add(current);
    const entry = current.file.entry;
    const target = entry === undefined ? undefined : targetOf(entry, resolver);
    if (target === undefined) return 'HARD_LINK_MISSING';
    if (target.children !== undefined) return 'HARD_LINK_TO_DIRECTORY';
    if (!isUnresolvedLink(target)) return target.file;
    if (chain.has(target)) return 'HARD_LINK_CYCLE';
    current = target;
  }
}

const REASONS: Readonly<Record<DeadEnd, string>> = {
  HARD_LINK_MISSING: 'which is in no layer so far',
  HARD_LINK_CYCLE: 'which leads back to it',
  HARD_LINK_TO_DIRECTORY: 'which is a directory',
};

function dropAll(links: Iterable<TreeNode>, code: DeadEnd, { tree, warnings }: HardLinkContext): void {
  for (const link of links) {
    warnDropped(code, { path: pathOf(link), target: link.file.entry?.linkName ?? ('' as ByteString), warnings });
    tree.remove(link);
  }
}

export interface DroppedLink {
  readonly path: ByteString;
  readonly target: ByteString;
  readonly warnings: LayerWarnings;
}

/** Says why a hard link is left out. */
export function warnDropped(code: DeadEnd, { path, target, warnings }: DroppedLink): void {
  warnings.warn(code, path, `hard link ${quotePath(path)} to ${quotePath(target)}, ${REASONS[code]}: left out`);
}
