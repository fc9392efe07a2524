import { createHash } from 'node:crypto';
import type { ContentRange } from './content-cache.ts';

/** What one digest of a content map covers: 4 MiB (FORMATS §1, extension). */
export const MAP_SPAN_BYTES = 4 * 1024 * 1024;
const DIGEST_BYTES = 32;
const UNKNOWN = new Uint8Array(DIGEST_BYTES);

/** What an index knows of a layer's content: enough to verify a part of it without the rest. */
export interface ContentMap {
  readonly uncompressedBytes: number;
  /** sha256 of each 4 MiB, 32 bytes each, concatenated. */
  readonly contentDigests: Uint8Array;
}

/** Whether there is a digest for each span: a map with gaps verifies nothing. */
export function isWholeMap({ uncompressedBytes, contentDigests }: ContentMap): boolean {
  return contentDigests.length === DIGEST_BYTES * Math.ceil(uncompressedBytes / MAP_SPAN_BYTES);
}

/** Where span `index` stands in the content. */
export function spanAt({ uncompressedBytes }: Pick<ContentMap, 'uncompressedBytes'>, index: number): ContentRange {
  const offset = index * MAP_SPAN_BYTES;
  return { offset, length: Math.min(MAP_SPAN_BYTES, uncompressedBytes - offset) };
}

/** Whether the bytes are those of span `index`. */
export function isSpanRight({ contentDigests }: ContentMap, index: number, bytes: Uint8Array): boolean {
  const expected = contentDigests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  return createHash('sha256').update(bytes).digest().equals(expected);
}

interface SpansOfContent {
  readonly sizeBytes: number;
  /** Those that the map is to know. */
  readonly spans: readonly number[];
  /** sha256 of a part of the content. */
  readonly digestOf: (range: ContentRange) => Promise<Uint8Array>;
}

/** A map that knows some spans of a content, and is good for these alone. @throws what `digestOf` throws */
export async function mapOfSpans({ sizeBytes, spans, digestOf }: SpansOfContent): Promise<ContentMap> {
  const digests = Array.from({ length: Math.ceil(sizeBytes / MAP_SPAN_BYTES) }, (): Uint8Array => UNKNOWN);
  const map = { uncompressedBytes: sizeBytes };
  for (const index of spans) digests[index] = await digestOf(spanAt(map, index));
  return { ...map, contentDigests: Buffer.concat(digests) };
}
