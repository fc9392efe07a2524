/** What both directions of the extension section share (docs/clip-extension.md). */
import type { Compression } from '../../compression/decoder.ts';
import type { ExtensionEntry } from '../clip-file.ts';

export type SpecialKind = NonNullable<ExtensionEntry['special']>['kind'];

/** The number of a value is its place here: append only. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'zstd'];
export const SPECIAL_KINDS: readonly SpecialKind[] = ['character-device', 'block-device', 'fifo'];

/** Bits that say which parts of an entry follow its path, in this order. */
export const ENTRY_PART = { special: 1, xattrs: 2, hardLinkTo: 4, sparse: 8 } as const;
export const ALL_ENTRY_PARTS = 15;

export const CONTENT_DIGEST_BYTES = 32;

/** The fewest bytes that one of each can take: what counts are checked against. */
export const MIN_BYTES = { layer: 8, checkpoint: 4, entry: 2, xattr: 2, region: 2 } as const;
