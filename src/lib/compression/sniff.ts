import type { Compression } from './decoder.ts';

/** How many bytes decide: the length of a zstd magic number. */
export const SNIFF_BYTES = 4;

const ZSTD_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/**
 * Tells how a layer is compressed by its first bytes, whatever its media type claims. Fewer than `SNIFF_BYTES` bytes
 * are taken as all there is.
 */
export function sniffCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length < SNIFF_BYTES) return 'none';
  const magic = Buffer.from(head.buffer, head.byteOffset, SNIFF_BYTES).readUInt32LE(0);
  return isZstdMagic(magic) || isSkippableMagic(magic) ? 'zstd' : 'none';
}

/** RFC 8878 §3.1.1 */
export function isZstdMagic(magic: number): boolean {
  return magic === ZSTD_MAGIC;
}

/** RFC 8878 §3.1.2: sixteen values. */
export function isSkippableMagic(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
}
