/**
 * A real Debian base system as an OCI image of three layers, and the truth about its files: what the layers leave on a file
 * system when mmdebstrap, GNU tar and a shell make them. Made once for each machine and recipe, kept in the OS temp dir.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDebianImage, RECIPE } from './debian-image-recipe.ts';
import type { TrueFile } from './debian-image-truth.ts';

export type { TrueFile } from './debian-image-truth.ts';

export interface DebianImage {
  /** An OCI image layout; its one image has the tag `bookworm`. */
  readonly layout: string;
  readonly tag: string;
  /** Every directory, symlink and regular file of the root file system, sorted by path. */
  readonly files: readonly TrueFile[];
}

/**
 * Why there can be no Debian image here; undefined when there can.
 * @throws under CI: what is missing there is a failure, not a reason to skip
 */
export function debianImageMissing(): string | undefined {
  if (existsSync(finalFolder())) return undefined;
  const isThere = spawnSync('mmdebstrap', ['--version']).status === 0;
  if (isThere && process.getuid?.() === 0) return undefined;
  const reason = isThere ? 'mmdebstrap needs root here' : 'mmdebstrap is not installed (Debian package mmdebstrap)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

/** Makes the image (half a minute) or takes the one that was made before. Several processes may ask at once. */
export async function provideDebianImage(): Promise<DebianImage> {
  const folder = finalFolder();
  if (!existsSync(folder)) await makeInto(folder);
  const files = JSON.parse(await readFile(join(folder, 'files.json'), 'utf8')) as TrueFile[];
  return { layout: join(folder, 'layout'), tag: 'bookworm', files };
}

async function makeInto(folder: string): Promise<void> {
  const started = performance.now();
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft);
  try {
    await makeDebianImage(draft);
    await rename(draft, folder).catch((error: unknown) => {
      // Another process was faster: its image is as good.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  process.stderr.write(`Debian image made in ${Math.round((performance.now() - started) / 1000)} s: ${folder}\n`);
}

function finalFolder(): string {
  const recipe = createHash('sha256').update(JSON.stringify(RECIPE)).digest('hex').slice(0, 12);
  return join(tmpdir(), `clipctl-debian-${recipe}`);
}
