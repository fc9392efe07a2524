/** Compresses data sets with the programs that pack layers in the world. */
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Peers } from '../peers/peers.ts';
import type { DataFolder } from './data-folder.ts';
import type { TarFile } from './tars.ts';

export interface PackedFile extends TarFile {
  /** `bytes` is decompressed. */
  readonly packedBytes: number;
  /** Only when the tar itself is not kept. */
  readonly diffId?: string;
}

/** `gzip`: gzip -6. `go`: Go's compress/gzip, as docker and buildkit use it; node:zlib without Go. `zstd`: zstd -3. */
export type Packer = 'gzip' | 'go' | 'zstd';

/** @returns undefined when the machine can't pack that way at all */
export async function packTar(
  tar: TarFile,
  { data, peers, packer }: { readonly data: DataFolder; readonly peers: Peers; readonly packer: Packer },
): Promise<PackedFile | undefined> {
  const recipe = await findRecipe(peers, packer);
  if (recipe === undefined) return undefined;
  const name = `${tar.path.slice(data.path.length + 1)}.${packer}`;
  const path = await data.keep(name, (target) => pack(recipe.command, tar.path, target));
  const { size } = await stat(path);
  const ratio = (tar.bytes / size).toFixed(2);
  const description = `${tar.description}; ${mb(tar.bytes)} packed by ${recipe.name} to ${mb(size)} (ratio ${ratio})`;
  return { path, bytes: tar.bytes, packedBytes: size, description };
}

interface Recipe {
  readonly name: string;
  /** Undefined: node:zlib, in this process. */
  readonly command: readonly string[] | undefined;
}

async function findRecipe(peers: Peers, packer: Packer): Promise<Recipe | undefined> {
  if (packer === 'zstd') {
    const zstd = peers.find('zstd');
    return zstd === undefined ? undefined : { name: 'zstd -3', command: [zstd, '-3', '-q', '-c'] };
  }
  const go = packer === 'go' ? await peers.go('gzip') : undefined;
  if (go !== undefined && 'path' in go) return { name: "Go's compress/gzip", command: [go.path] };
  const gzip = peers.find('gzip');
  return gzip === undefined
    ? { name: 'node:zlib, level 6', command: undefined }
    : { name: 'gzip -6', command: [gzip, '-6', '-n', '-c'] };
}

async function pack(command: readonly string[] | undefined, source: string, target: string): Promise<void> {
  if (command === undefined) return pipeline(createReadStream(source), createGzip({ level: 6 }), createWriteStream(target));
  const input = await open(source);
  const output = await open(target, 'w');
  try {
    await runPiped(command, input.fd, output.fd);
  } finally {
    await input.close();
    await output.close();
  }
}

function runPiped([program = '', ...args]: readonly string[], input: number, output: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [input, output, 'inherit'] });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with exit code ${code}`))));
  });
}

/** `400.1 MB` */
export function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 100e6 ? 1 : 0)} MB`;
}
