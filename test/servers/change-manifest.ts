/** Lies in the manifest of a made image, with everything above it as true as ever. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blobPath } from './layout-writer.ts';
import type { MadeLayout } from './make-layout.ts';

/** Changes the manifest's text where it is; the tag leads to the new one. */
export async function changeManifest(layout: MadeLayout, change: (text: string) => string): Promise<void> {
  const { directory, manifestDigest } = layout;
  const bytes = Buffer.from(change(await readFile(blobPath(directory, manifestDigest), 'utf8')));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await writeFile(blobPath(directory, digest), bytes);
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as { manifests: object[] };
  index.manifests = [{ ...index.manifests[0], digest, size: bytes.length }];
  await writeFile(join(directory, 'index.json'), JSON.stringify(index));
}
