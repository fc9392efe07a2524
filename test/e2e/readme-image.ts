/** The image of the README's transcripts: the same bytes on every machine and Node version, so that digests can be printed. */
import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import { createLayout, writeImage, writeLayer, type LayerCompression } from '../servers/layout-writer.ts';

const MIB = 1024 * 1024;
const MODIFIED = new Date('2026-01-15T08:00:00Z');

interface LayerRecipe {
  readonly createdBy: string;
  readonly folder: string;
  readonly files: number;
  readonly fileBytes: number;
  /** gzip is left out: node:zlib's bytes differ between Node versions. */
  readonly compression: Exclude<LayerCompression, 'gzip'>;
}

const LAYERS: readonly LayerRecipe[] = [
  { createdBy: 'ADD rootfs.tar /', folder: 'usr/lib', files: 160, fileBytes: MIB / 4, compression: 'zstd' },
  { createdBy: 'RUN npm ci', folder: 'app/node_modules', files: 400, fileBytes: MIB / 32, compression: 'zstd' },
  { createdBy: 'COPY dist /app/dist', folder: 'app/dist', files: 12, fileBytes: MIB / 16, compression: 'none' },
];

/** Writes it as an OCI image layout tagged `v1`. */
export async function writeReadmeImage(directory: string): Promise<void> {
  await createLayout(directory);
  const layers = [];
  for (const recipe of LAYERS) {
    const layer = await writeLayer(directory, tarOf(recipe), recipe.compression);
    layers.push({ ...layer, createdBy: recipe.createdBy });
  }
  const config = { Env: ['NODE_ENV=production'], Entrypoint: ['node', '/app/dist/server.js'], WorkingDir: '/app', User: 'node' };
  await writeImage(directory, { layers, tag: 'v1', created: '2026-01-15T08:00:00Z', architecture: 'amd64', config });
}

async function* tarOf({ folder, files, fileBytes }: LayerRecipe): AsyncGenerator<Uint8Array> {
  const tar = pack();
  for (let at = 0; at < files; at++) {
    const name = `${folder}/file-${String(at).padStart(3, '0')}`;
    tar.entry({ name, mtime: MODIFIED }, contentOf(name, fileBytes));
  }
  tar.finalize();
  for await (const piece of tar) yield piece as Uint8Array;
}

/** Hex digits of a hash chain: as dull as text, so that they compress about as well. */
function contentOf(name: string, bytes: number): string {
  let state = name;
  let text = '';
  while (text.length < bytes) {
    state = createHash('sha256').update(state).digest('hex');
    text += `${state}\n`;
  }
  return text.slice(0, bytes);
}
