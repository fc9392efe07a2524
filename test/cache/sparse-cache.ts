/**
 * A large warm cache that takes no space and no time to make: sparse files with records that vouch for them, and an image of
 * these layers whose blobs nobody has. Their digests are made up: who hashes one, or asks for one, notices.
 */
import { createHash } from 'node:crypto';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareCacheDirectory } from '../../src/lib/cache/disk/cache-layout.ts';
import { writeLayerRecord } from '../../src/lib/cache/disk/layer-record.ts';
import { identityOf } from '../../src/lib/cache/regular-file.ts';
import { contentHashOf, parseDigest } from '../../src/lib/oci/digest.ts';
import { createLayout, writeImage, type WrittenLayer } from '../servers/layout-writer.ts';

export interface SparseImage {
  /** OCI layout: index, manifest and config. */
  readonly layout: string;
  readonly layers: readonly WrittenLayer[];
}

export interface SparseSize {
  readonly layers: number;
  /** Of all layers, decompressed. */
  readonly bytes: number;
}

/** Makes the image in `layout` and its layers, all warm, in `cacheDir`. */
export async function makeSparseCache(
  cacheDir: string,
  layout: string,
  { layers: count, bytes }: SparseSize,
): Promise<SparseImage> {
  const layers = Array.from({ length: count }, (_, at) => layerOf(at, Math.floor(bytes / count)));
  await createLayout(layout);
  await writeImage(layout, { layers, tag: 'v1', created: '2024-01-02T03:04:05Z' });
  await prepareCacheDirectory(cacheDir);
  for (const layer of layers) await placeLayer(cacheDir, layer);
  return { layout, layers };
}

function layerOf(at: number, uncompressedBytes: number): WrittenLayer {
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: `sha256:${hexOf(`packed ${at}`)}`,
    diffId: `sha256:${hexOf(`layer ${at}`)}`,
    compressedBytes: Math.floor(uncompressedBytes / 3),
    uncompressedBytes,
  };
}

async function placeLayer(cacheDir: string, { digest, diffId, compressedBytes, uncompressedBytes }: WrittenLayer): Promise<void> {
  const hash = contentHashOf(parseDigest(diffId, 'sparse cache'));
  const path = join(cacheDir, hash);
  const file = await open(path, 'wx', 0o444);
  await file.truncate(uncompressedBytes);
  await file.close();
  const now = Date.now();
  await writeLayerRecord(cacheDir, hash, {
    identity: identityOf(await lstat(path)),
    digestsSeen: [{ digest: parseDigest(digest, 'sparse cache'), compressedBytes }],
    committedAtMs: now,
    lastUseMs: now,
  });
}

function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
