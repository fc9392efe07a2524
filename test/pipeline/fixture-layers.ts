/** The layers of the fixture images, as descriptors with the diffIDs their configs promise. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiffId, Digest } from '../../src/lib/oci/digest.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url).pathname;

export interface FixtureLayer {
  readonly image: string;
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly bytes: Buffer;
}

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

export const FIXTURE_NAMES: readonly string[] = readdirSync(FIXTURES)
  .filter((name) => !name.includes('.'))
  .sort();

/** Directory of a fixture's OCI layout. */
export function fixtureLayout(name: string): string {
  return join(FIXTURES, name, 'oci');
}

/** Every layer of every platform of a fixture image, each digest once. */
export function fixtureLayers(image: string): FixtureLayer[] {
  const blob = (digest: string): Buffer =>
    readFileSync(join(fixtureLayout(image), 'blobs/sha256', digest.slice('sha256:'.length)));
  const found = new Map<string, FixtureLayer>();
  const walk = (manifest: Manifest): void => {
    for (const child of manifest.manifests ?? []) walk(JSON.parse(blob(child.digest).toString()) as Manifest);
    if (manifest.config === undefined) return;
    const config = JSON.parse(blob(manifest.config.digest).toString()) as { rootfs: { diff_ids: string[] } };
    manifest.layers?.forEach((layer, at) => {
      const diffId = config.rootfs.diff_ids[at] as DiffId;
      found.set(layer.digest, { image, digest: layer.digest as Digest, diffId, bytes: blob(layer.digest) });
    });
  };
  walk(JSON.parse(readFileSync(join(fixtureLayout(image), 'index.json')).toString()) as Manifest);
  return [...found.values()];
}
