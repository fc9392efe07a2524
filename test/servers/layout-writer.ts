/** Writes real OCI image layouts (image-layout.md): made images for `npm start` and for tests. */
import { compress, init } from '@bokuweb/zstd-wasm';
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export type LayerCompression = 'gzip' | 'zstd' | 'none';

export interface WrittenLayer {
  readonly mediaType: string;
  /** `sha256:…` of the compressed bytes. */
  readonly digest: string;
  /** `sha256:…` of the tar. */
  readonly diffId: string;
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
}

export interface WrittenImage {
  /** `createdBy` goes into the config's history. */
  readonly layers: readonly (WrittenLayer & { readonly createdBy?: string })[];
  /** `org.opencontainers.image.ref.name` in index.json. */
  readonly tag: string;
  /** RFC 3339. */
  readonly created: string;
  /** In the words of Go; default: the host's. */
  readonly architecture?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

const MEDIA_TYPES: Readonly<Record<LayerCompression, string>> = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
};
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** zstd layers are many frames of this much content: a frame is what the WASM encoder packs at once. */
const FRAME_BYTES = 4 * 1024 * 1024;

/** An empty layout in `folder`, which is made. */
export async function createLayout(folder: string): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** Stores a tar as a layer blob, compressed on the way. */
export async function writeLayer(
  folder: string,
  tar: AsyncIterable<Uint8Array>,
  compression: LayerCompression,
): Promise<WrittenLayer> {
  const plain = createMeter();
  const packed = createMeter();
  const temporary = join(folder, 'blobs', randomUUID());
  const output = createWriteStream(temporary);
  if (compression === 'gzip') await pipeline(tar, plain.pass, createGzip({ level: 1 }), packed.pass, output);
  else if (compression === 'zstd') await pipeline(tar, plain.pass, packZstdFrames, packed.pass, output);
  else await pipeline(tar, plain.pass, packed.pass, output);
  const { digest, bytes } = packed.result();
  await rename(temporary, blobPath(folder, digest));
  const content = plain.result();
  return {
    mediaType: MEDIA_TYPES[compression],
    digest,
    diffId: content.digest,
    compressedBytes: bytes,
    uncompressedBytes: content.bytes,
  };
}

/** Config, manifest and index.json of one linux image; gives the manifest's digest. */
export async function writeImage(folder: string, image: WrittenImage): Promise<string> {
  const platform = { os: 'linux', architecture: image.architecture ?? goArchitecture() };
  const config = await writeJson(folder, {
    created: image.created,
    ...platform,
    config: image.config ?? {},
    rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.diffId) },
    history: image.layers.map((layer) => ({ created: image.created, created_by: layer.createdBy ?? 'layout-writer' })),
  });
  const manifest = await writeJson(folder, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, ...config },
    layers: image.layers.map(({ mediaType, digest, compressedBytes }) => ({ mediaType, digest, size: compressedBytes })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': image.tag };
  const manifests = [{ mediaType: MANIFEST_TYPE, ...manifest, platform, annotations }];
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests }));
  return manifest.digest;
}

/** Where a layout keeps the blob with this `sha256:…` digest. */
export function blobPath(folder: string, digest: string): string {
  return join(folder, 'blobs/sha256', digest.slice('sha256:'.length));
}

/** Node's name of this machine's architecture in the words of Go, which OCI uses. */
function goArchitecture(): string {
  return { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch;
}

async function writeJson(folder: string, value: unknown): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await writeFile(blobPath(folder, digest), bytes);
  return { digest, size: bytes.length };
}

interface Meter {
  readonly pass: (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  readonly result: () => { readonly digest: string; readonly bytes: number };
}

function createMeter(): Meter {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *pass(source) {
      for await (const piece of source) {
        hash.update(piece);
        bytes += piece.length;
        yield piece;
      }
    },
    result: () => ({ digest: `sha256:${hash.digest('hex')}`, bytes }),
  };
}

/** A second `init` would swap the encoder's memory under a running one. */
let encoderReady: Promise<void> | undefined;

async function* packZstdFrames(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  encoderReady ??= init();
  await encoderReady;
  const frame = Buffer.alloc(FRAME_BYTES);
  let filled = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      const taken = Math.min(piece.length - at, FRAME_BYTES - filled);
      frame.set(piece.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < FRAME_BYTES) continue;
      yield compress(frame, 3);
      filled = 0;
    }
  }
  yield compress(frame.subarray(0, filled), 3);
}
