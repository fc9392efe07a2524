/** Content of any size that looks random, is the same for the same seed, and is made a piece at a time. */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { CHUNK_BYTES } from '../../src/lib/cache/chunk-source.ts';
import type { Chunk, ChunkSource } from '../../src/lib/cache/chunk-source.ts';
import { parseContentHash } from '../../src/lib/oci/digest.ts';
import type { ContentHash } from '../../src/lib/oci/digest.ts';

const BLOCK_BYTES = 1 << 20;

export interface SeededContent {
  readonly sizeBytes: number;
  readonly hash: ContentHash;
  /** Bytes [offset, offset + length). */
  readonly slice: (offset: number, length: number) => Buffer;
  /** As a source in chunks of 32 MiB. */
  readonly source: () => ChunkSource;
}

export function seededContent(seed: number, sizeBytes: number): SeededContent {
  const slice = (offset: number, length: number): Buffer =>
    sliceOf(seed, offset, Math.max(0, Math.min(length, sizeBytes - offset)));
  const sha = createHash('sha256');
  for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) sha.update(slice(at, BLOCK_BYTES));
  return { sizeBytes, slice, hash: parseContentHash(sha.digest('hex'), 'test'), source: () => sourceOf(sizeBytes, slice) };
}

function sliceOf(seed: number, offset: number, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = offset - (offset % BLOCK_BYTES); at < offset + length; at += BLOCK_BYTES)
    blocks.push(blockOf(seed, at / BLOCK_BYTES));
  return Buffer.concat(blocks).subarray(offset % BLOCK_BYTES, (offset % BLOCK_BYTES) + length);
}

function blockOf(seed: number, index: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(seed, 0);
  iv.writeUInt32BE(index, 4);
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), iv).update(Buffer.alloc(BLOCK_BYTES));
}

type Slice = (offset: number, length: number) => Buffer;

/** A source over any bytes; `onPiece` may throw or wait to disturb it. */
export async function* sourceOf(sizeBytes: number, slice: Slice, onPiece?: (offset: number) => unknown): AsyncGenerator<Chunk> {
  for (let index = 0, offset = 0; offset < sizeBytes; index += 1, offset += CHUNK_BYTES) {
    const start = offset;
    const length = Math.min(CHUNK_BYTES, sizeBytes - offset);
    yield {
      index,
      offset,
      length,
      async *stream(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < length; at += BLOCK_BYTES) {
          await onPiece?.(start + at);
          yield slice(start + at, Math.min(BLOCK_BYTES, length - at));
        }
      },
    };
  }
}

export async function writeContent(path: string, content: SeededContent): Promise<void> {
  const out = createWriteStream(path);
  for (let at = 0; at < content.sizeBytes; at += BLOCK_BYTES) {
    if (!out.write(content.slice(at, BLOCK_BYTES))) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/** Size, sha256 in hex and first bytes of a stream; a miss is an error. */
export async function drain(
  stream: AsyncIterable<Uint8Array> | undefined,
): Promise<{ sizeBytes: number; hash: string; first: Buffer }> {
  if (stream === undefined) throw new Error('a miss');
  const sha = createHash('sha256');
  let sizeBytes = 0;
  const kept: Buffer[] = [];
  for await (const piece of stream) {
    if (sizeBytes < BLOCK_BYTES) kept.push(Buffer.from(piece));
    sha.update(piece);
    sizeBytes += piece.length;
  }
  return { sizeBytes, hash: sha.digest('hex'), first: Buffer.concat(kept) };
}
