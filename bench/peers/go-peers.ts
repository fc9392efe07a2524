/** Builds the programs of bench/peers/go. Their modules come from the Go proxy, pinned by go.sum. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCES = resolve('bench/peers/go');

/** Folders of bench/peers/go/cmd. */
export type GoPeer = 'gunzip' | 'gzip' | 'single-pass' | 'ztoc' | 'crane-export';

interface BuildOptions {
  readonly go: string | undefined;
  readonly folder: string;
  readonly tell: (line: string) => void;
}

export async function buildGoPeers(
  name: GoPeer,
  { go, folder, tell }: BuildOptions,
): Promise<{ path: string } | { reason: string }> {
  if (go === undefined) return { reason: 'Go is not installed' };
  const path = join(folder, name);
  await mkdir(folder, { recursive: true });
  tell(`building ${name} with Go`);
  try {
    await run(go, ['build', '-trimpath', '-buildvcs=false', '-o', path, `./cmd/${name}`], { cwd: SOURCES });
    return { path };
  } catch (error) {
    return { reason: `Go does not build it here: ${error instanceof Error ? error.message.slice(0, 500) : String(error)}` };
  }
}
