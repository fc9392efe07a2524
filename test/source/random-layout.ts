/** Writes an image layout whose one layer is random bytes: for transfers, not for unpacking. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export async function writeRandomLayout(directory: string, layerBytes: number): Promise<void> {
  const layer = randomBytes(layerBytes);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  };
  await writeLayout(directory, { config, layers: [{ bytes: layer, mediaType: 'application/vnd.oci.image.layer.v1.tar' }] });
}

export interface LayoutContent {
  readonly config: unknown;
  readonly layers: readonly { readonly bytes: Buffer; readonly mediaType: string }[];
  /** Changes the manifest before it is written. */
  readonly changeManifest?: (manifest: Record<string, unknown>) => unknown;
}

/** Writes a layout with the tag `v1`, digests and sizes right unless `changeManifest` makes them wrong. */
export async function writeLayout(directory: string, { config, layers, changeManifest }: LayoutContent): Promise<void> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  const put = async (bytes: Buffer, mediaType: string) => {
    await writeFile(join(directory, 'blobs', 'sha256', digestOf(bytes).slice('sha256:'.length)), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: await put(Buffer.from(JSON.stringify(config)), 'application/vnd.oci.image.config.v1+json'),
    layers: await Promise.all(layers.map(({ bytes, mediaType }) => put(bytes, mediaType))),
  };
  const written = Buffer.from(JSON.stringify(changeManifest?.(manifest) ?? manifest));
  const listed = await put(written, 'application/vnd.oci.image.manifest.v1+json');
  const index = { schemaVersion: 2, manifests: [{ ...listed, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }] };
  await writeFile(join(directory, 'index.json'), JSON.stringify(index));
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
