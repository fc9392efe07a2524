/**
 * What is kept of a layer, as bytes: length of a JSON header (4 bytes, big-endian), the header, then in this order the
 * pages of packed entries, the windows of the checkpoints, the content digests. The header says how long each is. Others
 * may write such a file, so it holds no code and no object graph, and each count is checked before it is used.
 */
import * as v from 'valibot';
import type { ByteString } from '../byte-string.ts';
import { CONTENT_DIGEST_SPAN_BYTES } from '../clip/clip-file.ts';
import type { Checkpoint, ZstdFrame } from '../compression/decoder.ts';
import { MAX_BLOCK_HEADER_BYTES, MAX_WINDOW_BYTES } from '../compression/window-codec.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { areWholeEntries, packEntries } from '../tar/packed-entries.ts';
import type { PackedEntries, RareFields } from '../tar/packed-entry.ts';
import type { LayerFacts } from './layer-job.ts';

export interface KnownFacts extends Omit<LayerFacts, 'entries'> {
  readonly checkpointIntervalBytes: number;
  readonly entries: PackedEntries;
}

const LENGTH_BYTES = 4;
/** Codec, length of the block header, the header, the window. */
const MAX_STATE_BYTES = 1 + 2 + MAX_BLOCK_HEADER_BYTES + MAX_WINDOW_BYTES;
const DIGEST_BYTES = 32;
/** Parsed, JSON takes many times its length: a layer with more rare fields than this is read again. */
const MAX_HEADER_BYTES = 32 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const byteString = v.pipe(
  v.string(),
  v.regex(/^[\0-\xff]*$/),
  v.transform((text) => text as ByteString),
);
const time = v.strictObject({
  seconds: v.pipe(v.number(), v.safeInteger()),
  nanoseconds: v.pipe(count, v.maxValue(999_999_999)),
});
const rareFields = v.strictObject({
  atime: v.optional(time),
  ctime: v.optional(time),
  deviceMajor: v.pipe(v.number(), v.safeInteger()),
  deviceMinor: v.pipe(v.number(), v.safeInteger()),
  xattrs: v.array(v.strictTuple([byteString, byteString])),
  sparse: v.optional(v.array(v.strictObject({ offset: count, length: count }))),
});
const digest = v.pipe(
  v.string(),
  v.check(isDigest),
  v.transform((text) => text as Digest),
);
const header = v.strictObject({
  checkpointIntervalBytes: count,
  digest,
  diffId: digest,
  compression: v.picklist(['gzip', 'zstd', 'none']),
  decoder: v.picklist(['kernel', 'node-zlib', 'node-zstd', 'wasm-zstd', 'none']),
  compressedBytes: count,
  uncompressedBytes: count,
  /** compressedOffset, bit, uncompressedOffset, length of the window. */
  checkpoints: v.array(v.strictTuple([count, v.pipe(count, v.maxValue(7)), count, v.pipe(count, v.maxValue(MAX_STATE_BYTES))])),
  /** compressedOffset, compressedBytes, uncompressedOffset, uncompressedBytes. */
  zstdFrames: v.array(v.strictTuple([count, count, count, count])),
  entries: count,
  pageBytes: v.array(count),
  rare: v.array(rareFields),
  owners: v.array(byteString),
});
type Header = v.InferOutput<typeof header>;

export function writeKnownFacts(facts: LayerFacts, checkpointIntervalBytes: number): Buffer {
  const { length, pages, rare, owners } = packEntries(facts.entries);
  const windows = facts.checkpoints.map(({ window }) => window);
  const document: v.InferInput<typeof header> = {
    checkpointIntervalBytes,
    digest: facts.digest,
    diffId: facts.diffId,
    compression: facts.compression,
    decoder: facts.decoder,
    compressedBytes: facts.compressedBytes,
    uncompressedBytes: facts.uncompressedBytes,
    checkpoints: facts.checkpoints.map((at) => [at.compressedOffset, at.bit, at.uncompressedOffset, at.window.length]),
    zstdFrames: facts.zstdFrames.map((at) => [
      at.compressedOffset,
      at.compressedBytes,
      at.uncompressedOffset,
      at.uncompressedBytes,
    ]),
    entries: length,
    pageBytes: pages.map((page) => page.length),
    rare: rare.map(({ xattrs, sparse, ...rest }) => ({
      ...rest,
      xattrs: [...xattrs],
      ...(sparse === undefined ? {} : { sparse: [...sparse] }),
    })),
    owners: [...owners],
  };
  return joinParts(document, { pages, windows, facts });
}

interface Parts {
  readonly pages: readonly Uint8Array[];
  readonly windows: readonly Uint8Array[];
  readonly facts: Pick<LayerFacts, 'contentDigests'>;
}

function joinParts(document: object, { pages, windows, facts }: Parts): Buffer {
  const header = Buffer.from(JSON.stringify(document));
  const prefix = Buffer.alloc(LENGTH_BYTES);
  prefix.writeUInt32BE(header.length);
  return Buffer.concat([prefix, header, ...pages, ...windows, facts.contentDigests]);
}

/** `undefined` = it is none, or not whole. */
export function readKnownFacts(bytes: Buffer): KnownFacts | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const headerEnd = LENGTH_BYTES + bytes.readUInt32BE();
  if (headerEnd > Math.min(bytes.length, MAX_HEADER_BYTES)) return undefined;
  const parsed = v.safeParse(header, parseJson(bytes.toString('utf8', LENGTH_BYTES, headerEnd)));
  if (!parsed.success) return undefined;
  const { output } = parsed;
  const windowBytes = output.checkpoints.map((at) => at[3]);
  const digestBytes = Math.ceil(output.uncompressedBytes / CONTENT_DIGEST_SPAN_BYTES) * DIGEST_BYTES;
  const parts = cut(bytes.subarray(headerEnd), [...output.pageBytes, ...windowBytes, digestBytes]);
  if (parts === undefined) return undefined;
  return factsOf(output, {
    pages: parts.slice(0, output.pageBytes.length),
    windows: parts.slice(output.pageBytes.length, -1),
    facts: { contentDigests: parts.at(-1) ?? new Uint8Array(0) },
  });
}

function factsOf(output: Header, { pages, windows, facts }: Parts): KnownFacts | undefined {
  const { checkpointIntervalBytes, digest, diffId, compression, decoder, compressedBytes, uncompressedBytes } = output;
  const rare = output.rare.map((fields) => rareOf(fields));
  const entries: PackedEntries = {
    length: output.entries,
    pages: pages as Uint8Array<ArrayBuffer>[],
    rare,
    owners: output.owners,
  };
  const checkpoints = output.checkpoints.map(([compressedOffset, bit, uncompressedOffset], at): Checkpoint => {
    return { compressedOffset, bit, uncompressedOffset, window: windows[at] ?? new Uint8Array(0) };
  });
  const zstdFrames = output.zstdFrames.map((at): ZstdFrame => {
    return { compressedOffset: at[0], compressedBytes: at[1], uncompressedOffset: at[2], uncompressedBytes: at[3] };
  });
  const ends = zstdFrames.map((frame) => ({
    compressedOffset: frame.compressedOffset + frame.compressedBytes,
    uncompressedOffset: frame.uncompressedOffset + frame.uncompressedBytes,
  }));
  const isWhole = [checkpoints, zstdFrames, ends].every((places) => areInOrder(places, output));
  if (!isWhole || !areWholeEntries(entries, uncompressedBytes)) return undefined;
  // Only what was seen to hold is kept, and nothing was resumed by who finds it.
  const learned = {
    verifiedBy: 'digest+diffId',
    resumedBytes: 0,
    digest,
    diffId,
    compression,
    decoder,
    compressedBytes,
    uncompressedBytes,
  } as const;
  return { ...learned, checkpointIntervalBytes, checkpoints, zstdFrames, entries, contentDigests: facts.contentDigests };
}

function rareOf({ atime, ctime, deviceMajor, deviceMinor, xattrs, sparse }: Header['rare'][number]): RareFields {
  return { atime, ctime, deviceMajor, deviceMinor, xattrs: new Map(xattrs), sparse };
}

type Place = Pick<Checkpoint, 'compressedOffset' | 'uncompressedOffset'>;

function areInOrder(places: readonly Place[], { compressedBytes, uncompressedBytes }: Header): boolean {
  return places.every((place, at) => {
    const before = places[at - 1] ?? { compressedOffset: 0, uncompressedOffset: 0 };
    const isAfter = place.compressedOffset >= before.compressedOffset && place.uncompressedOffset >= before.uncompressedOffset;
    return isAfter && place.compressedOffset <= compressedBytes && place.uncompressedOffset <= uncompressedBytes;
  });
}

/** Parts of these lengths; `undefined` when they are not exactly `bytes`. */
function cut(bytes: Buffer, lengths: readonly number[]): Uint8Array[] | undefined {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    if (length > bytes.length - at) return undefined;
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at === bytes.length ? parts : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
