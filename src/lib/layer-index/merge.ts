/**
 * Lays the layers of an image on each other (OCI image specification, layer.md "Applying changesets"; what containerd's
 * archive.Apply does on a disk, here on a tree in memory). Where Go CLIP merges differently: FORMATS §1, point 6.
 */
import { applyLayer } from './apply-layer.ts';
import type { LayerIndex, MergedTree } from './entry.ts';
import { flattenTree } from './flatten.ts';
import { parseImageTime } from './image-time.ts';
import { Resolver } from './resolve.ts';
import { Tree } from './tree.ts';
import { WarningLog } from './warning-log.ts';

export interface MergeOptions {
  /** The config's `created` (RFC 3339): the time of a root and of parents that no layer lists. Unset or unreadable: 1970. */
  readonly created?: string;
  /** Most paths of the merged tree. */
  readonly maxEntries?: number;
}

/** RELIABILITY §1.3 row 6. */
export const DEFAULT_MAX_ENTRIES = 5_000_000;

/**
 * Merges layers, the bottom one first. What a layer says wrong becomes a warning, never an error.
 * @throws ClipctlError LIMIT_ENTRIES when the tree gets larger than `maxEntries` or than made parents may make it.
 */
export function mergeLayers(layers: readonly LayerIndex[], options: MergeOptions = {}): MergedTree {
  const tree = new Tree();
  const resolver = new Resolver(tree);
  const log = new WarningLog();
  for (const [position, layer] of layers.entries()) applyLayer(layer, position, { tree, resolver, log });
  const { seconds, nanoseconds } = parseImageTime(options.created) ?? { seconds: 0, nanoseconds: 0 };
  const madeTime = { seconds, nanoseconds };
  const flat = flattenTree(tree, { layers, madeTime, maxEntries: options.maxEntries ?? DEFAULT_MAX_ENTRIES });
  return { ...flat, warnings: log.kept, ...(log.omitted > 0 && { omittedWarnings: log.omitted }) };
}
