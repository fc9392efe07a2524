/**
 * The last 64 bytes of a file with an extension (docs/clip-extension.md). Its layout never changes: a reader of any
 * version finds the version here.
 */
import { createHash } from 'node:crypto';
import { clipInvalid } from '../clip-invalid.ts';

export const EXTENSION_VERSION = 1;
export const FOOTER_BYTES = 64;

/** The first bytes of the body, so that a body without its footer is known as cut. */
export const BODY_MAGIC: Uint8Array = Buffer.from('89434c58420d0a1a', 'hex');
const FOOTER_MAGIC = Buffer.from('89434c58540d0a1a', 'hex');
const HASH_OFFSET = 32;

export interface ExtensionFooter {
  readonly version: number;
  readonly bodyOffset: number;
  readonly bodyBytes: number;
}

/** The footer of a file that so far consists of `pieces`, the body last. */
export function encodeFooter(pieces: readonly Uint8Array[], { version, bodyOffset, bodyBytes }: ExtensionFooter): Uint8Array {
  const footer = Buffer.alloc(FOOTER_BYTES);
  FOOTER_MAGIC.copy(footer);
  footer.writeUInt32LE(version, 8);
  footer.writeBigUInt64LE(BigInt(bodyOffset), 16);
  footer.writeBigUInt64LE(BigInt(bodyBytes), 24);
  hashOf(pieces, footer).copy(footer, HASH_OFFSET);
  return footer;
}

/**
 * What the footer says; undefined when the file has no extension. `sectionsEnd` is where the sections of CLIP end.
 * @throws ClipctlError CLIP_INVALID when an extension was cut off, or its place is no place in the file
 */
export function decodeFooter(file: Uint8Array, sectionsEnd: number): ExtensionFooter | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const footerOffset = bytes.byteLength - FOOTER_BYTES;
  const footer = footerOffset >= sectionsEnd ? bytes.subarray(footerOffset) : undefined;
  if (!footer?.subarray(0, FOOTER_MAGIC.byteLength).equals(FOOTER_MAGIC))
    return refuseCutBody(bytes.subarray(sectionsEnd), sectionsEnd);
  const version = footer.readUInt32LE(8);
  const bodyOffset = footer.readBigUInt64LE(16);
  const bodyBytes = footer.readBigUInt64LE(24);
  if (bodyOffset < BigInt(sectionsEnd) || bodyOffset + bodyBytes !== BigInt(footerOffset)) {
    throw clipInvalid(
      `extension: a body of ${bodyBytes} bytes at ${bodyOffset} does not end at its footer (offset ${footerOffset})`,
      {
        field: 'extension.footer',
        offset: footerOffset,
      },
    );
  }
  return { version, bodyOffset: Number(bodyOffset), bodyBytes: Number(bodyBytes) };
}

function refuseCutBody(rest: Buffer, offset: number): undefined {
  const start = BODY_MAGIC.subarray(0, rest.byteLength);
  if (start.byteLength === 0 || !rest.subarray(0, start.byteLength).equals(start)) return undefined;
  throw clipInvalid(`extension: it starts at offset ${offset} and the file does not end with its footer`, {
    field: 'extension.footer',
    offset,
  });
}

/** @throws ClipctlError CLIP_INVALID when any byte of the file is not what it was when the extension was written */
export function checkFileHash(file: Uint8Array): void {
  const footerOffset = file.byteLength - FOOTER_BYTES;
  const footer = file.subarray(footerOffset);
  if (hashOf([file.subarray(0, footerOffset)], footer).equals(footer.subarray(HASH_OFFSET))) return;
  throw clipInvalid('extension: the sha256 in the footer is not that of the file', {
    field: 'extension.footer.sha256',
    offset: footerOffset + HASH_OFFSET,
  });
}

/** sha256 of everything before the hash itself. */
function hashOf(pieces: readonly Uint8Array[], footer: Uint8Array): Buffer {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.update(footer.subarray(0, HASH_OFFSET)).digest();
}
