/**
 * `node-streams-pipeline.js REFERENCE FOLDER`: what `clipctl warm` does, as one writes it with what Node brings: fetch, streams
 * with their defaults, one layer after the other. It verifies what clipctl verifies, and keeps no index.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

const [reference = '', folder = ''] = process.argv.slice(2);
const [, host = '', name = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
const base = `http://${host}/v2/${name}`;

await mkdir(folder, { recursive: true });
const manifest = (await (await get(`${base}/manifests/${tag}`)).json()) as Manifest;
const config = (await (await get(`${base}/blobs/${manifest.config.digest}`)).json()) as Config;
let outputBytes = 0;
for (const [index, { digest }] of manifest.layers.entries()) outputBytes += await warm(digest, config.rootfs.diff_ids[index]!);
process.stdout.write(`${JSON.stringify({ outputBytes })}\n`);

/** @returns decompressed bytes */
async function warm(digest: string, diffId: string): Promise<number> {
  const response = await get(`${base}/blobs/${digest}`);
  const packed = createHash('sha256');
  const plain = createHash('sha256');
  const temporary = join(folder, `${diffId}.part`);
  let bytes = 0;
  await pipeline(
    Readable.fromWeb(response.body as ReadableStream),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const piece of source) {
        packed.update(piece);
        yield piece;
      }
    },
    createGunzip(),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const piece of source) {
        plain.update(piece);
        bytes += piece.length;
        yield piece;
      }
    },
    createWriteStream(temporary),
  );
  requireDigest(packed.digest('hex'), digest);
  requireDigest(plain.digest('hex'), diffId);
  await rename(temporary, join(folder, diffId.slice('sha256:'.length)));
  return bytes;
}

function requireDigest(actual: string, expected: string): void {
  if (`sha256:${actual}` !== expected) throw new Error(`expected ${expected}, got sha256:${actual}`);
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}
