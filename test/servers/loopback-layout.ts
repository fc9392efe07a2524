/** The content of a loopback registry: what an image layout directory holds. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface StoredObject {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

export interface Repository {
  readonly tags: ReadonlyMap<string, string>;
  readonly blobs: ReadonlyMap<string, StoredObject>;
}

/** Above this a blob is no manifest, and is not read to find out. */
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

interface ListedManifest {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Reads names, sizes and media types; the bytes stay on disk. */
export async function loadLayout(directory: string): Promise<Repository> {
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as { manifests: ListedManifest[] };
  const tags = new Map(index.manifests.map((m) => [m.annotations?.['org.opencontainers.image.ref.name'] ?? 'latest', m.digest]));
  const types = new Map(index.manifests.map((m) => [m.digest, m.mediaType]));
  const blobs = new Map<string, StoredObject>();
  const folder = join(directory, 'blobs', 'sha256');
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const digest = `sha256:${name}`;
    const { size } = await stat(path);
    const mediaType = types.get(digest) ?? (await typeInside(path, size));
    blobs.set(digest, { path, digest, sizeBytes: size, mediaType });
  }
  return { tags, blobs };
}

/** A manifest by tag or digest, a blob by digest. */
export function findObject(repository: Repository, isManifest: boolean, name: string): StoredObject | undefined {
  return repository.blobs.get(isManifest ? (repository.tags.get(name) ?? name) : name);
}

async function typeInside(path: string, sizeBytes: number): Promise<string> {
  const fallback = 'application/octet-stream';
  if (sizeBytes > MAX_MANIFEST_BYTES) return fallback;
  const text = await readFile(path, 'utf8');
  if (!text.startsWith('{')) return fallback;
  return /"mediaType"\s*:\s*"(application\/vnd\.[^"]*(?:manifest|index)[^"]*)"/.exec(text)?.[1] ?? fallback;
}
