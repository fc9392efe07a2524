/** Small images for tests: an OCI layout out of a list of files a layer. */
import { pack, type Header } from 'tar-stream';
import { createLayout, writeImage, writeLayer, type LayerCompression, type WrittenLayer } from './layout-writer.ts';

export interface MadeLayer {
  /** Path → content; a path that ends in `/` is a directory. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Entries that say more than a path and a content. */
  readonly entries?: readonly Partial<Header>[];
  readonly compression?: LayerCompression;
  /** What the image says of the layer instead of the truth. */
  readonly claims?: Partial<WrittenLayer>;
}

export interface MadeLayout {
  /** `oci:DIR:v1` */
  readonly reference: string;
  readonly directory: string;
  readonly layers: readonly WrittenLayer[];
  readonly manifestDigest: string;
}

/** Writes an image of these layers, bottom first, tagged `v1`. */
export async function makeLayout(directory: string, layers: readonly MadeLayer[]): Promise<MadeLayout> {
  await createLayout(directory);
  const written: WrittenLayer[] = [];
  for (const layer of layers) {
    const truth = await writeLayer(directory, tarOf(layer), layer.compression ?? 'gzip');
    written.push({ ...truth, ...layer.claims });
  }
  const manifestDigest = await writeImage(directory, { layers: written, tag: 'v1', created: '2024-01-02T03:04:05Z' });
  return { reference: `oci:${directory}:v1`, directory, layers: written, manifestDigest };
}

async function* tarOf({ files, entries = [] }: MadeLayer): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const mtime = new Date(1_700_000_000_000);
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith('/')) tar.entry({ name, type: 'directory', mtime });
    else tar.entry({ name, mtime }, content);
  }
  for (const entry of entries) tar.entry({ name: 'unnamed', mtime, ...entry }, '');
  tar.finalize();
  for await (const piece of tar) yield piece as Uint8Array;
}
