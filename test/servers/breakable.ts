/** An image layout that is right, to be broken one thing at a time. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blobPath } from './layout-writer.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

interface Listed {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

type Json = Record<string, unknown> & {
  config: { digest: string; size: number };
  layers: { digest: string; size: number; mediaType: string }[];
  rootfs: { type: string; diff_ids: string[] };
  os: string;
  architecture: string;
  manifests: { digest: string; size: number; mediaType: string; platform: Record<string, unknown> }[];
};

export class Breakable {
  readonly directory: string;
  constructor(directory: string) {
    this.directory = directory;
  }
  async read(digest: string): Promise<Json> {
    return JSON.parse(await readFile(blobPath(this.directory, digest), 'utf8')) as Json;
  }
  async write(value: unknown): Promise<{ digest: string; size: number }> {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await writeFile(blobPath(this.directory, digest), bytes);
    return { digest, size: bytes.length };
  }
  async index(): Promise<Json> {
    return JSON.parse(await readFile(join(this.directory, 'index.json'), 'utf8')) as Json;
  }
  /** Changes the manifest and, when told, the config; everything above follows. */
  async change(manifest: (document: Json) => void, config?: (document: Json) => void): Promise<void> {
    const root = await this.index();
    const [entry] = root.manifests;
    if (entry === undefined) throw new Error('no manifest');
    const document = await this.read(entry.digest);
    if (config !== undefined) {
      const inner = await this.read(document.config.digest);
      config(inner);
      Object.assign(document.config, await this.write(inner));
    }
    manifest(document);
    Object.assign(entry, await this.write(document));
    await writeFile(join(this.directory, 'index.json'), JSON.stringify(root));
  }
  /** Replaces the bytes of the first layer and leaves its digest. */
  async damage(how: (bytes: Buffer) => Buffer): Promise<void> {
    const path = blobPath(this.directory, await this.firstLayer());
    await writeFile(path, how(await readFile(path)));
  }
  /** Replaces the first layer by other bytes under their own digest. */
  async replaceLayer(how: (bytes: Buffer) => Buffer): Promise<void> {
    const fresh = await this.write(how(await readFile(blobPath(this.directory, await this.firstLayer()))));
    await this.change(({ layers }) => void Object.assign(layers[0] ?? {}, fresh));
  }
  async firstLayer(): Promise<string> {
    const { manifests } = await this.index();
    return (await this.read(manifests[0]?.digest ?? '')).layers[0]?.digest ?? '';
  }
  /** An attestation as BuildKit makes it with oci-artifact=true; its digest is listed whatever becomes of it. */
  async attestation(): Promise<Listed> {
    const statement = await this.write({ _type: 'https://in-toto.io/Statement/v0.1' });
    const config = await this.write({});
    const manifest = await this.write({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      artifactType: 'application/vnd.docker.attestation.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.in-toto+json', ...statement }],
    });
    return {
      mediaType: MANIFEST_TYPE,
      ...manifest,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    };
  }
  /** Puts the image below an image index, with `others` beside it. */
  async wrap(listed: (entry: Json['manifests'][number]) => void, others: readonly Listed[] = []): Promise<void> {
    const root = await this.index();
    const [entry] = root.manifests;
    if (entry === undefined) throw new Error('no manifest');
    const inner = { ...entry, annotations: undefined };
    listed(inner);
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const wrapped = await this.write({ schemaVersion: 2, mediaType, manifests: [inner, ...others] });
    const outer = { mediaType, ...wrapped, annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
    await writeFile(join(this.directory, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType, manifests: [outer] }));
  }
}

/** A copy with the lowest bit of one byte turned over. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
