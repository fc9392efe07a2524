/** Images made of the tars: OCI layouts, as a registry serves them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { blobPath, createLayout, writeImage, type WrittenLayer } from '../../test/servers/layout-writer.ts';
import type { BenchContext } from '../claim.ts';
import { MB } from './file-supply.ts';
import { giantLayer } from './giant-layer.ts';
import { mb, packTar, type PackedFile } from './pack.ts';
import { gibTar, libTar, mixedTar, smallTar, tarSeries } from './tars.ts';

export const TAG = 'v1';

export interface MadeImage {
  /** Repository name: `bench/NAME`. */
  readonly repository: string;
  readonly layout: string;
  readonly description: string;
  /** Of all layers, decompressed. */
  readonly bytes: number;
  readonly packedBytes: number;
}

type Needs = Pick<BenchContext, 'data' | 'peers'>;

/** One layer of 800 MB. */
export async function oneLayerImage(needs: Needs): Promise<MadeImage> {
  return imageOf(needs, 'one-layer', [await packed(needs, await mixedTar(needs.data))]);
}

/** One layer of 1 GiB. */
export async function gibImage(needs: Needs): Promise<MadeImage> {
  return imageOf(needs, 'gib', [await packed(needs, await gibTar(needs.data))]);
}

/** Two layers of 400 MB. */
export async function twoLayerImage(needs: Needs): Promise<MadeImage> {
  const layers = [await packed(needs, await libTar(needs.data)), await packed(needs, await smallTar(needs.data))];
  return imageOf(needs, 'two-layers', layers);
}

/** Six layers, unequal as they are in life, of about 210 MB together as they lie in a registry. */
export async function sixLayerImage(needs: Needs): Promise<MadeImage> {
  const sizes = [200, 160, 120, 90, 60, 20].map((size) => size * MB);
  return imageOf(needs, 'six-layers', await packedSeries(needs, 'six', sizes));
}

/** Ten layers of 60 MB. */
export async function tenLayerImage(needs: Needs): Promise<MadeImage> {
  const sizes = Array.from({ length: 10 }, () => 60 * MB);
  return imageOf(needs, 'ten-layers', await packedSeries(needs, 'ten', sizes));
}

/** One layer of 10 GB that is one file. */
export async function giantLayerImage(needs: Needs): Promise<MadeImage> {
  return oneFileImage(needs, 'giant-layer', 10_000 * MB);
}

/** The same with 128 MB: what the memory for the large one is compared with. */
export async function oneFileLayerImage(needs: Needs): Promise<MadeImage> {
  return oneFileImage(needs, 'one-file-layer', 128 * MB);
}

async function oneFileImage(needs: Needs, name: string, layerBytes: number): Promise<MadeImage> {
  return imageOf(needs, name, [await giantLayer(needs.data, { name, layerBytes, content: await libTar(needs.data) })]);
}

async function packedSeries(needs: Needs, name: string, sizes: readonly number[]): Promise<readonly PackedFile[]> {
  const layers: PackedFile[] = [];
  for (const tar of await tarSeries(needs.data, name, sizes)) layers.push(await packed(needs, tar));
  return layers;
}

async function packed(needs: Needs, tar: Awaited<ReturnType<typeof libTar>>): Promise<PackedFile> {
  const file = await packTar(tar, { ...needs, packer: 'go' });
  if (file === undefined) throw new Error('gzip is always at hand');
  return file;
}

async function imageOf({ data }: Needs, name: string, layers: readonly PackedFile[]): Promise<MadeImage> {
  const layout = await data.keep(`${name}.layout`, (folder) => writeLayout(folder, layers));
  const sum = (figure: (layer: PackedFile) => number): number => layers.reduce((total, layer) => total + figure(layer), 0);
  const bytes = sum((layer) => layer.bytes);
  const packedBytes = sum(({ packedBytes: size }) => size);
  const one = layers.length === 1 ? (layers[0]?.description ?? '') : '';
  const description =
    one || `${layers.length} layers, ${mb(bytes)}, packed ${mb(packedBytes)}: ${layers.map((l) => mb(l.bytes)).join(', ')}`;
  return { repository: `bench/${name}`, layout, description, bytes, packedBytes };
}

async function writeLayout(folder: string, files: readonly PackedFile[]): Promise<void> {
  await createLayout(folder);
  const layers: WrittenLayer[] = [];
  for (const file of files) {
    const digest = await sha256Of(file.path);
    await copyFile(file.path, blobPath(folder, digest));
    layers.push({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      diffId: await diffIdOf(file),
      compressedBytes: file.packedBytes,
      uncompressedBytes: file.bytes,
    });
  }
  await writeImage(folder, { layers, tag: TAG, created: '2024-01-02T03:04:05Z' });
}

/** The tar lies beside what it was packed to; only the giant layer's was never written. */
async function diffIdOf(file: PackedFile): Promise<string> {
  return file.diffId ?? sha256Of(file.path.replace(/\.[^.]+$/, ''));
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Uint8Array);
  return `sha256:${hash.digest('hex')}`;
}
