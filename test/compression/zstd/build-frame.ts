/** Writes zstd frames by hand (RFC 8878 §3.1.1): raw and RLE blocks only, every header field free to lie. */
export interface FrameSpec {
  readonly content?: Uint8Array;
  /** The window descriptor byte; without it the frame is a single segment. */
  readonly windowDescriptor?: number;
  readonly dictionaryId?: number;
  /** What the header claims, for a single segment. */
  readonly claimedBytes?: number;
  /** Instead of `content`: this many RLE blocks of 128 KiB of zeros. */
  readonly zeroBlocks?: number;
}

const MAX_BLOCK_BYTES = 128 * 1024;

export function buildFrame(spec: FrameSpec): Buffer {
  return Buffer.concat([buildFrameHeader(spec), ...blocks(spec)]);
}

export function buildFrameHeader(spec: FrameSpec): Buffer {
  const { windowDescriptor, dictionaryId } = spec;
  const isSingleSegment = windowDescriptor === undefined;
  const contentBytes = spec.claimedBytes ?? spec.content?.length ?? (spec.zeroBlocks ?? 0) * MAX_BLOCK_BYTES;
  const descriptor = (isSingleSegment ? 0xe0 : 0) | (dictionaryId === undefined ? 0 : 3);
  const header: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor])];
  if (windowDescriptor !== undefined) header.push(Buffer.from([windowDescriptor]));
  if (dictionaryId !== undefined) header.push(uint32(dictionaryId));
  if (isSingleSegment) header.push(uint64(contentBytes));
  return Buffer.concat(header);
}

export function buildSkippable(content: Uint8Array, variant = 0): Buffer {
  return Buffer.concat([uint32(0x184d2a50 + variant), uint32(content.length), content]);
}

function blocks({ content = new Uint8Array(0), zeroBlocks = 0 }: FrameSpec): Buffer[] {
  if (zeroBlocks > 0) {
    const block = Buffer.concat([blockHeader(MAX_BLOCK_BYTES, 1, false), Buffer.from([0])]);
    return [...Array.from({ length: zeroBlocks }, () => block), blockHeader(0, 0, true)];
  }
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += MAX_BLOCK_BYTES) {
    const piece = content.subarray(at, at + MAX_BLOCK_BYTES);
    pieces.push(blockHeader(piece.length, 0, false), Buffer.from(piece));
  }
  return [...pieces, blockHeader(0, 0, true)];
}

function blockHeader(bytes: number, type: 0 | 1, isLast: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((bytes << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return header;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
