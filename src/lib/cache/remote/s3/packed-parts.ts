/** Parts of the packed form: nobody knows their number before the end, so each waits in memory until it is acknowledged. */
import { createHash } from 'node:crypto';
import { gatherPieces } from '../encoded/gather-pieces.ts';
import type { HashedPart } from './hashed-parts.ts';

/** The least that a server must take as a part (Amazon S3 User Guide, "Amazon S3 multipart upload limits"). */
const PART_BYTES = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;
/** One is filled while another is sent. */
export const PARTS_IN_MEMORY = 2;
export const PACKED_PARTS_BYTES = PARTS_IN_MEMORY * PART_BYTES;
/** With room for the table and for frames that packing makes longer. */
export const MAX_PACKED_BYTES = (MAX_PARTS - 100) * PART_BYTES;

/** @param memory PACKED_PARTS_BYTES that are in use until each part was released. @throws what `pieces` throws */
export async function* packedParts(
  pieces: AsyncIterable<Uint8Array>,
  memory: Buffer,
): AsyncGenerator<HashedPart, void, undefined> {
  const released: Promise<void>[] = [];
  let number = 0;
  const nextBuffer = async (): Promise<Buffer> => {
    await released[number - PARTS_IN_MEMORY];
    const at = (number % PARTS_IN_MEMORY) * PART_BYTES;
    return memory.subarray(at, at + PART_BYTES);
  };
  for await (const { bytes, isLast } of gatherPieces(pieces, nextBuffer)) {
    let release = (): void => undefined;
    released.push(new Promise((resolve) => (release = resolve)));
    number += 1;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    yield { number, length: bytes.length, sha256, isLast, stream: () => once(bytes), release };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
