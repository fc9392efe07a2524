/**
 * A layer of 10 GB that is cheap to make and to keep: one file of one stretch of 64 MB over and over, in which 8 MB are
 * libraries and the rest is zeros, as in a sparse disk image. Each stretch is one gzip member, so it is packed once.
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { DataFolder } from './data-folder.ts';
import { MB } from './file-supply.ts';
import { mb, type PackedFile } from './pack.ts';
import type { TarFile } from './tars.ts';

const STRETCH_BYTES = 64 * MB;
const CONTENT_BYTES = 8 * MB;

interface GiantRecipe {
  readonly name: string;
  /** Decompressed, before the scale of the data. */
  readonly layerBytes: number;
  /** Whose start is repeated. */
  readonly content: TarFile;
}

export async function giantLayer(data: DataFolder, { name, layerBytes, content }: GiantRecipe): Promise<PackedFile> {
  const count = Math.max(1, Math.round((layerBytes * data.scale) / STRETCH_BYTES));
  const sizeBytes = count * STRETCH_BYTES;
  const facts = `${data.path}/${name}.diffid`;
  const path = await data.keep(`${name}.gz`, async (target) => {
    const stretch = await makeStretch(content.path);
    writeFileSync(facts, await writeMembers(target, { stretch, count }));
  });
  if (!existsSync(facts)) throw new Error(`${facts} is gone: remove ${path}`);
  const { size } = await stat(path);
  const bytes = tarBytes(sizeBytes);
  const description = `one file of ${count} stretches of 64 MB, of which 8 MB libraries, else zeros; ${mb(bytes)} packed to ${mb(size)}`;
  return { path, bytes, packedBytes: size, description, diffId: readFileSync(facts, 'utf8') };
}

async function makeStretch(path: string): Promise<Buffer> {
  const stretch = Buffer.alloc(STRETCH_BYTES);
  const file = await open(path);
  try {
    await file.read(stretch, 0, CONTENT_BYTES, 0);
  } finally {
    await file.close();
  }
  return stretch;
}

/** @returns the diffID */
async function writeMembers(target: string, { stretch, count }: { stretch: Buffer; count: number }): Promise<string> {
  const hash = createHash('sha256');
  const output = createWriteStream(target);
  const write = async (plain: Buffer, member: Buffer, into: Hash): Promise<void> => {
    into.update(plain);
    if (!output.write(member)) await once(output, 'drain');
  };
  const header = await headerOf(count * STRETCH_BYTES);
  await write(header, gzipSync(header), hash);
  const member = gzipSync(stretch, { level: 6 });
  for (let at = 0; at < count; at++) await write(stretch, member, hash);
  const end = Buffer.alloc(tarBytes(count * STRETCH_BYTES) - header.length - count * STRETCH_BYTES);
  await write(end, gzipSync(end), hash);
  output.end();
  await once(output, 'close');
  return `sha256:${hash.digest('hex')}`;
}

/** The header of a file of this size; what would follow it is not made. */
async function headerOf(sizeBytes: number): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'giant', size: sizeBytes, mtime: new Date(0) });
  const first = (await once(tar, 'data')) as [Buffer];
  tar.destroy();
  return first[0];
}

/** Header, content up to whole blocks, two end blocks (POSIX pax, "ustar Interchange Format"). */
function tarBytes(sizeBytes: number): number {
  return 512 + Math.ceil(sizeBytes / 512) * 512 + 1024;
}
