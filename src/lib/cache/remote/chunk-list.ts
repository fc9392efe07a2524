/** The chunk list of a file remote: `<hex>.chunks.json` says how long the content is and what each chunk of it hashes to. */
import { createHash, type Hash } from 'node:crypto';
import { CHUNK_BYTES } from '../chunk-source.ts';
import { readSmallFile } from '../regular-file.ts';

const LIST_VERSION = 1;
/** 46 000 chunks: 1.4 TiB. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;
const HEX = /^[0-9a-f]{64}$/;

export interface ChunkList {
  readonly version: number;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  /** sha256 in hex of each chunk, in order. */
  readonly chunks: readonly string[];
}

/** Takes the content as it is written, in pieces of any size. */
export class ChunkListWriter {
  readonly #chunks: string[] = [];
  #sha: Hash = createHash('sha256');
  #sizeBytes = 0;

  write(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const room = CHUNK_BYTES - (this.#sizeBytes % CHUNK_BYTES);
      const part = piece.subarray(at, at + room);
      this.#sha.update(part);
      this.#sizeBytes += part.length;
      at += part.length;
      if (this.#sizeBytes % CHUNK_BYTES === 0) this.#endChunk();
    }
  }

  finish(): ChunkList {
    if (this.#sizeBytes % CHUNK_BYTES !== 0) this.#endChunk();
    return { version: LIST_VERSION, sizeBytes: this.#sizeBytes, chunkBytes: CHUNK_BYTES, chunks: this.#chunks };
  }

  #endChunk(): void {
    this.#chunks.push(this.#sha.digest('hex'));
    this.#sha = createHash('sha256');
  }
}

/**
 * `undefined` = there is none, or none that makes sense.
 * @throws ClipctlError STORAGE_*
 */
export async function readChunkList(path: string): Promise<ChunkList | undefined> {
  const file = await readSmallFile(path, MAX_LIST_BYTES);
  if (file === undefined) return undefined;
  const list = parseJson(file.text);
  return isChunkList(list) ? list : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isChunkList(value: unknown): value is ChunkList {
  if (typeof value !== 'object' || value === null) return false;
  const { version, sizeBytes, chunkBytes, chunks } = value as Partial<ChunkList>;
  if (version !== LIST_VERSION || chunkBytes !== CHUNK_BYTES || !Number.isSafeInteger(sizeBytes) || !Array.isArray(chunks))
    return false;
  return (
    chunks.length === Math.ceil((sizeBytes ?? -1) / CHUNK_BYTES) &&
    chunks.every((hex) => typeof hex === 'string' && HEX.test(hex))
  );
}
