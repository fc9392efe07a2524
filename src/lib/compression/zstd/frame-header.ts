/** What stands before the data of a zstd or skippable frame: RFC 8878 §3.1.1.1 and §3.1.2. Pure. */
import { corruptLayer } from '../decode-errors.ts';
import { isSkippableMagic, isZstdMagic } from '../sniff.ts';

/** Magic, descriptor, window, dictionary id and content size at their longest. */
export const MAX_FRAME_HEADER_BYTES = 18;

export type FrameHeader =
  | { readonly kind: 'skippable'; readonly contentBytes: number }
  | {
      readonly kind: 'frame';
      readonly windowBytes: number;
      readonly dictionaryId: number;
      /** Absent where the encoder didn't know it. */
      readonly contentBytes: number | undefined;
    };

const MAGIC_BYTES = 4;
const SKIPPABLE_HEADER_BYTES = 8;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

interface Descriptor {
  readonly isSingleSegment: boolean;
  readonly dictionaryIdBytes: number;
  readonly contentSizeBytes: number;
}

/**
 * How long the header is as far as its first bytes tell; with as many bytes as that it can be parsed, or asked again.
 * @throws ClipctlError LAYER_CORRUPT when the magic number is of no frame
 */
export function frameHeaderBytes(head: Buffer): number {
  if (head.length < MAGIC_BYTES) return MAGIC_BYTES;
  const magic = head.readUInt32LE(0);
  if (isSkippableMagic(magic)) return SKIPPABLE_HEADER_BYTES;
  if (!isZstdMagic(magic)) throw corruptLayer('no zstd frame where one must begin');
  if (head.length === MAGIC_BYTES) return MAGIC_BYTES + 1;
  const { isSingleSegment, dictionaryIdBytes, contentSizeBytes } = readDescriptor(head);
  return MAGIC_BYTES + 1 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes;
}

/** Parses a header that is complete by `frameHeaderBytes`. */
export function parseFrameHeader(head: Buffer): FrameHeader {
  if (isSkippableMagic(head.readUInt32LE(0))) return { kind: 'skippable', contentBytes: head.readUInt32LE(MAGIC_BYTES) };
  const { isSingleSegment, dictionaryIdBytes, contentSizeBytes } = readDescriptor(head);
  const dictionaryAt = MAGIC_BYTES + 1 + (isSingleSegment ? 0 : 1);
  const dictionaryId = dictionaryIdBytes === 0 ? 0 : head.readUIntLE(dictionaryAt, dictionaryIdBytes);
  const contentBytes = readContentSize(head, dictionaryAt + dictionaryIdBytes, contentSizeBytes);
  // A single segment always tells its content size and is its own window.
  const windowBytes = isSingleSegment ? (contentBytes ?? 0) : readWindowDescriptor(head.readUInt8(MAGIC_BYTES + 1));
  return { kind: 'frame', windowBytes, dictionaryId, contentBytes };
}

function readDescriptor(head: Buffer): Descriptor {
  const byte = head.readUInt8(MAGIC_BYTES);
  const isSingleSegment = (byte & 0x20) !== 0;
  const contentSizeBytes = byte >> 6 === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[byte >> 6] ?? 0);
  return { isSingleSegment, dictionaryIdBytes: DICTIONARY_ID_BYTES[byte & 3] ?? 0, contentSizeBytes };
}

/** Up to 2^41 + 7 · 2^38: no 32-bit shifts here. */
function readWindowDescriptor(byte: number): number {
  const baseBytes = 2 ** (10 + (byte >> 3));
  return baseBytes + (baseBytes / 8) * (byte & 7);
}

/** Rounded above 2^53, where every limit refuses it anyway. */
function readContentSize(head: Buffer, at: number, bytes: number): number | undefined {
  if (bytes === 0) return undefined;
  if (bytes === 8) return Number(head.readBigUInt64LE(at));
  return head.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}
