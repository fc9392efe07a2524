import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';

const PIECE_BYTES = 64 * 1024;

/**
 * Some bytes of a file whose handle others use too: `FileHandle.createReadStream` would close it for all of them when
 * one reader leaves early. A file that ends before `end` ends the stream.
 */
export function readPart(handle: FileHandle, start: number, end: number): Readable {
  return Readable.from(piecesOf(handle, start, end), { objectMode: false, highWaterMark: PIECE_BYTES });
}

async function* piecesOf(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
  for (let offset = start; offset < end;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const { bytesRead } = await handle.read(piece, 0, Math.min(PIECE_BYTES, end - offset), offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
