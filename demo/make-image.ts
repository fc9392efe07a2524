import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createLayout, writeImage, writeLayer } from '../test/servers/layout-writer.ts';
import type { LayerCompression, WrittenLayer } from '../test/servers/layout-writer.ts';
import { chooseFiles } from './choose-files.ts';
import { packFiles } from './pack-files.ts';

const MIB = 1024 * 1024;
const IMAGE_BYTES = 300 * MIB;

interface LayerRecipe {
  /** A folder of this machine, or of this checkout. */
  readonly folder: string;
  /** Its name in the image. */
  readonly name: string;
  readonly limitBytes: number;
  readonly compression: LayerCompression;
}

export interface MadeLayer extends WrittenLayer {
  readonly folder: string;
  readonly compression: LayerCompression;
  readonly durationMs: number;
}

const SYSTEM_LAYERS: readonly LayerRecipe[] = [
  { folder: '/usr/bin', name: 'usr/bin', limitBytes: 90 * MIB, compression: 'gzip' },
  { folder: '/usr/lib', name: 'usr/lib', limitBytes: 110 * MIB, compression: 'zstd' },
  { folder: '/usr/share', name: 'usr/share', limitBytes: 60 * MIB, compression: 'gzip' },
];

/**
 * An OCI image layout out of files that every machine has: three layers of the system and one of this checkout, which
 * also fills up what a small system lacks and deletes a folder of a lower layer, as real images do.
 */
export async function makeImage(layout: string): Promise<readonly MadeLayer[]> {
  await createLayout(layout);
  const system = await Promise.all(SYSTEM_LAYERS.map((recipe) => makeLayer(layout, recipe, [])));
  const missing = IMAGE_BYTES - system.reduce((sum, layer) => sum + layer.uncompressedBytes, 0);
  const application: LayerRecipe = {
    folder: join(process.cwd(), 'node_modules'),
    name: 'app/node_modules',
    limitBytes: Math.max(missing, 30 * MIB),
    compression: 'zstd',
  };
  const extra = [{ name: 'app/hello.txt', content: 'made by npm start of clipctl\n' }];
  if (existsSync('/usr/share/doc')) extra.push({ name: 'usr/share/.wh.doc', content: '' });
  const layers = [...system, await makeLayer(layout, application, extra)];
  const named = layers.map((layer) => ({ ...layer, createdBy: `COPY ${layer.folder}` }));
  await writeImage(layout, { layers: named, tag: 'latest', created: new Date(0).toISOString(), config: { Cmd: ['/bin/sh'] } });
  return layers;
}

async function makeLayer(
  layout: string,
  recipe: LayerRecipe,
  extra: readonly { name: string; content: string }[],
): Promise<MadeLayer> {
  const started = performance.now();
  const files = chooseFiles(recipe.folder, recipe.name, recipe.limitBytes);
  const layer = await writeLayer(layout, packFiles(files, extra), recipe.compression);
  const { compression } = recipe;
  return { ...layer, folder: recipe.name, compression, durationMs: performance.now() - started };
}
