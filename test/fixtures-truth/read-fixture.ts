/** Reads an image of test/fixtures: its layout, its decompressed layers, and what Go CLIP made of it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { byteStringFromBytes, type ByteString } from '../../src/lib/byte-string.ts';
import type { ClipImage } from '../../src/lib/clip/compose-metadata.ts';
import type { DecodedLayer } from '../../src/lib/clip/compose.ts';
import type { LayerIndex } from '../../src/lib/layer-index/entry.ts';
import { parseDigest, type Digest } from '../../src/lib/oci/digest.ts';
import { parseImageConfig } from '../../src/lib/oci/image-config.ts';
import { parseManifest } from '../../src/lib/oci/manifest.ts';
import { TarScanner } from '../../src/lib/tar/scanner.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import type { DumpDocument } from './dump.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));

export interface FixtureImage {
  readonly image: ClipImage;
  /** Bottom first; a layer that the image has twice stands here twice. */
  readonly indexes: readonly LayerIndex[];
  readonly decoded: readonly DecodedLayer[];
  /** Decompressed layers. */
  readonly tars: ReadonlyMap<Digest, Buffer>;
}

/** The image of a fixture; of an image index the first one, which is the one that Go CLIP took (linux/amd64). */
export async function readFixtureImage(name: string): Promise<FixtureImage> {
  const index = parseManifest(await readFile(`${FIXTURES}${name}/oci/index.json`), { what: 'index.json' });
  let manifest = index;
  let manifestDigest: Digest | undefined;
  while ('manifests' in manifest) {
    manifestDigest = manifest.manifests[0]?.digest;
    if (manifestDigest === undefined) throw new Error(`fixture ${name} has no manifest`);
    manifest = parseManifest(await readBlob(name, manifestDigest), { what: manifestDigest });
  }
  if (manifestDigest === undefined) throw new Error(`fixture ${name} has no image index`);
  const config = parseImageConfig(await readBlob(name, manifest.config.digest), 'config');
  const layers = manifest.layers.map((layer, position) => ({ ...layer, diffId: config.diffIds[position] ?? layer.digest }));
  const tars = new Map<Digest, Buffer>();
  for (const { digest } of layers) tars.set(digest, gunzipSync(await readBlob(name, digest)));
  return {
    image: { manifestDigest, config, layers },
    indexes: layers.map(({ digest }) => ({ digest, entries: scan(tars.get(digest) ?? Buffer.alloc(0)) })),
    decoded: layers.map(({ digest, sizeBytes }) => decodedLayer(digest, sizeBytes, tars.get(digest) ?? Buffer.alloc(0))),
    tars,
  };
}

function decodedLayer(digest: Digest, compressedBytes: number, tar: Buffer): DecodedLayer {
  const diffId = parseDigest(`sha256:${createHash('sha256').update(tar).digest('hex')}`, 'test');
  return {
    ...{ digest, diffId, compression: 'gzip', compressedBytes, uncompressedBytes: tar.length },
    checkpoints: [{ compressedOffset: 0, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) }],
    zstdFrames: [],
    contentDigests: createHash('sha256').update(tar).digest(),
  };
}

/** The entries of a tar. */
export function scan(tar: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  const scanner = new TarScanner({ onEntry: (entry) => entries.push(entry) });
  scanner.write(tar);
  scanner.finish();
  return entries;
}

async function readBlob(name: string, digest: Digest): Promise<Buffer> {
  return readFile(`${FIXTURES}${name}/oci/blobs/${digest.replace(':', '/')}`);
}

/** What Go CLIP reads back out of its own `.clip`. */
export async function readGoDump(name: string): Promise<DumpDocument> {
  return JSON.parse(await readFile(`${FIXTURES}${name}/go.dump.json`, 'utf8')) as DumpDocument;
}

/** Path → sha256 of what Go CLIP serves, or `ERROR …`. */
export async function readGoSums(name: string): Promise<ReadonlyMap<ByteString, string>> {
  const text = byteStringFromBytes(await readFile(`${FIXTURES}${name}/go.sums`));
  // Names may hold newlines: a line that begins neither way belongs to the name before.
  const lines = text.split(/\n(?=[0-9a-f]{64} {2}\/|ERROR \/|$)/).filter((line) => line !== '');
  return new Map(lines.map((line) => parseSum(line)));
}

function parseSum(line: string): readonly [ByteString, string] {
  if (!line.startsWith('ERROR ')) return [line.slice(66) as ByteString, line.slice(0, 64)];
  const path = line.slice('ERROR '.length, line.indexOf(': '));
  return [path as ByteString, line];
}
