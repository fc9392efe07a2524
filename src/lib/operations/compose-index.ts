import { textOf } from '../byte-string.ts';
import { composeClip } from '../clip/compose.ts';
import { encodeClipPieces } from '../clip/encode-clip.ts';
import { ClipctlError } from '../errors.ts';
import type { MergedTree } from '../layer-index/entry.ts';
import { mergeLayers } from '../layer-index/merge.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import type { ResolvedImage } from '../source/image-source.ts';
import type { StorageRef } from './storage-ref.ts';

export interface ComposeOptions {
  readonly maxEntries: number;
  readonly storageRef: StorageRef | undefined;
  readonly strict: boolean;
}

export interface ComposedIndex {
  /** The file, in pieces. */
  readonly pieces: readonly Uint8Array[];
  /** Paths of the merged tree. */
  readonly entries: number;
  readonly warnings: readonly string[];
}

/** Merges the layers of an image and writes its `.clip`. @throws ClipctlError STRICT_REFUSED, LIMIT_ENTRIES */
export function composeIndex(image: ResolvedImage, layers: readonly LayerFacts[], options: ComposeOptions): ComposedIndex {
  const { created } = image.config;
  const tree = mergeLayers(
    layers.map(({ digest, entries }) => ({ digest, entries })),
    { maxEntries: options.maxEntries, ...(created !== undefined && { created }) },
  );
  const warnings = describeWarnings(tree);
  if (options.strict && warnings.length > 0) {
    const more = warnings.length > 1 ? ` (and ${warnings.length - 1} more)` : '';
    throw new ClipctlError('STRICT_REFUSED', `refused by --strict: ${warnings[0] ?? ''}${more}`);
  }
  const origin = options.storageRef ?? image.origin;
  const clip = composeClip({ tree, image, layers, ...(origin === undefined ? {} : { origin }) });
  return { pieces: encodeClipPieces(clip), entries: tree.entries.length, warnings };
}

function describeWarnings({ warnings, omittedWarnings = 0 }: MergedTree): string[] {
  const odd = warnings.map(({ code, path, layer, message }) => `${code} ${textOf(path)} in layer ${layer}: ${message}`);
  return omittedWarnings > 0 ? [...odd, `${omittedWarnings} more of these`] : odd;
}
