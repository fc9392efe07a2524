/** An image of gzip, zstd and plain layers that compress to about half, and what a registry served of each. */
import { join } from 'node:path';
import type { LayerCompression } from '../servers/layout-writer.ts';
import type { LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';

export const MIXED: readonly LayerCompression[] = ['gzip', 'zstd', 'none'];

export function makeMixedImage(directory: string, contentBytes: number, compressions = MIXED): Promise<MadeLayout> {
  const layers = compressions.map((compression, at) => ({
    files: { [`${at}.bin`]: halfNoise(contentBytes, at + 1), 'end.txt': `end of ${compression} ${at}\n` },
    compression,
  }));
  return makeLayout(directory, layers);
}

/** Bytes that compress to some two thirds. */
export function halfNoise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes - (sizeBytes % 4));
  let state = seed;
  for (let at = 0; at < bytes.length; at += 4)
    bytes.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) & 0x3f7f3f7f, at);
  return bytes;
}

/** Bytes of the layer that the registry has served so far, over all requests. */
export function servedOf({ requests }: LoopbackRegistry, digest: string): number {
  return requests.filter(({ path }) => path.endsWith(digest)).reduce((sum, { bytesServed }) => sum + bytesServed, 0);
}

export function ociPath(home: { readonly dir: string }): string {
  return join(home.dir, 'image');
}
