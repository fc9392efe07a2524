import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decodeLayer } from './decode-layer.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));

interface Json {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly layers?: readonly { readonly digest: string; readonly mediaType: string }[];
  readonly config?: { readonly digest: string };
  readonly rootfs?: { readonly diff_ids: readonly string[] };
}

interface FixtureLayer {
  readonly blob: Buffer;
  readonly diffId: string;
  readonly mediaType: string;
}

async function readLayers(name: string): Promise<FixtureLayer[]> {
  const layout = join(FIXTURES, name, 'oci');
  const readBlob = (digest: string): Promise<Buffer> => readFile(join(layout, 'blobs', digest.replace(':', '/')));
  const readJson = async (bytes: Promise<Buffer>): Promise<Json> => JSON.parse((await bytes).toString()) as Json;
  const walk = async (document: Json): Promise<FixtureLayer[]> => {
    const children = (document.manifests ?? []).map(async ({ digest }) => walk(await readJson(readBlob(digest))));
    const config = document.config === undefined ? undefined : await readJson(readBlob(document.config.digest));
    const own = (document.layers ?? []).map(async ({ digest, mediaType }, index) => ({
      blob: await readBlob(digest),
      mediaType,
      diffId: config?.rootfs?.diff_ids[index] ?? 'none',
    }));
    return [...(await Promise.all(own)), ...(await Promise.all(children)).flat()];
  };
  return walk(await readJson(readFile(join(layout, 'index.json'))));
}

const EXPECTED_LAYERS: Readonly<Record<string, number>> = {
  duplayer: 3,
  multiplatform: 4,
  'odd-bgzip': 3,
  'odd-docker': 3,
  'odd-estargz': 2,
  'odd-gzip': 3,
  'odd-members': 3,
  'odd-plain': 3,
  'odd-zstd': 3,
  'odd-zstdchunked': 1,
};

describe('every layer of the fixtures decodes to its diffID', async () => {
  for (const name of await readdir(FIXTURES)) {
    for (const pieceBytes of [[256 * 1024], [1], [7, 1000]]) {
      test(`${name}, written in pieces of ${pieceBytes.join(' and ')} bytes`, async () => {
        const layers = await readLayers(name);
        expect(layers.length).toBeGreaterThanOrEqual(EXPECTED_LAYERS[name] ?? 1);
        for (const { blob, diffId, mediaType } of layers) {
          const { sha256, result } = await decodeLayer(blob, { pieceBytes });
          expect(`sha256:${sha256}`).toBe(diffId);
          expect(result.compressedBytes).toBe(blob.length);
          const declared = /\+?(gzip|zstd)$/.exec(mediaType)?.[1] ?? 'none';
          expect(result.compression).toBe(declared);
          if (declared === 'gzip') expect(result.decoder).toBe('kernel');
        }
      });
    }
  }
});
