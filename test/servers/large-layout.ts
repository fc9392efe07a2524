/**
 * An OCI layout whose layers are as large as asked for and cheap to make and to keep: entries of 4 MB, of which 64 kB are
 * random and the rest is zeros. Each is one gzip member, the same one in a layer, so it is packed once.
 */
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { blobPath, createLayout, writeImage, type WrittenLayer } from './layout-writer.ts';

const BLOCK_BYTES = 512;
/** With its header: the whole blocks next to 4 MB. */
const ENTRY_BYTES = 7813 * BLOCK_BYTES;
const CONTENT_BYTES = 64_000;

export interface LargeLayout {
  /** For the command line: `oci:DIRECTORY:TAG`. */
  readonly reference: string;
  /** Of all tars: a little more than was asked for. */
  readonly sizeBytes: number;
}

export async function makeLargeLayout(folder: string, layerBytes: number, { layers = 1 } = {}): Promise<LargeLayout> {
  await createLayout(folder);
  const written: WrittenLayer[] = [];
  for (let at = 0; at < layers; at += 1) written.push(await writeLargeLayer(folder, layerBytes));
  await writeImage(folder, { layers: written, tag: 'v1', created: '2024-01-02T03:04:05Z' });
  return {
    reference: `oci:${folder}:v1`,
    sizeBytes: written.reduce((sum, { uncompressedBytes }) => sum + uncompressedBytes, 0),
  };
}

async function writeLargeLayer(folder: string, atLeastBytes: number): Promise<WrittenLayer> {
  const temporary = join(folder, 'layer');
  const packed = new PackedFile(createWriteStream(temporary));
  const entry = Buffer.alloc(ENTRY_BYTES);
  headerOf(ENTRY_BYTES - BLOCK_BYTES).copy(entry);
  randomBytes(CONTENT_BYTES).copy(entry, BLOCK_BYTES);
  const member = gzipSync(entry);
  for (let at = 0; at < atLeastBytes; at += ENTRY_BYTES) await packed.write(entry, member);
  const end = Buffer.alloc(2 * BLOCK_BYTES);
  await packed.write(end, gzipSync(end));
  const layer = await packed.finish();
  await rename(temporary, blobPath(folder, layer.digest));
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...layer };
}

class PackedFile {
  readonly #output: WriteStream;
  readonly #plain = new Meter();
  readonly #packed = new Meter();

  constructor(output: WriteStream) {
    this.#output = output;
  }

  async write(plain: Buffer, member: Buffer): Promise<void> {
    this.#plain.add(plain);
    this.#packed.add(member);
    if (!this.#output.write(member)) await once(this.#output, 'drain');
  }

  async finish(): Promise<{ digest: string; diffId: string; compressedBytes: number; uncompressedBytes: number }> {
    this.#output.end();
    await once(this.#output, 'close');
    const [plain, packed] = [this.#plain, this.#packed];
    const sizes = { compressedBytes: packed.bytes, uncompressedBytes: plain.bytes };
    return { digest: packed.digest(), diffId: plain.digest(), ...sizes };
  }
}

class Meter {
  bytes = 0;
  readonly #hash: Hash = createHash('sha256');

  add(piece: Buffer): void {
    this.#hash.update(piece);
    this.bytes += piece.length;
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** A ustar header (POSIX pax, "ustar Interchange Format"). tar-stream would want the file behind it. */
function headerOf(sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const fields: readonly (readonly [offset: number, text: string])[] = [
    [0, 'large'],
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
    [124, `${sizeBytes.toString(8).padStart(11, '0')}\0`],
    [136, '00000000000\0'],
    [148, '        '],
    [156, '0'],
    [257, 'ustar\x0000'],
  ];
  for (const [offset, text] of fields) header.write(text, offset, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
