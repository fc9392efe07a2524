/**
 * `npm start`: the main job from end to end with the real command line. Makes an image of a few hundred MB out of files on
 * this machine and serves it from a registry on loopback, or takes the image that REF names; indexes it, warms the disk
 * cache, pushes to a remote cache in a directory, warms a second machine from there, and looks at what stands where.
 */
import { mkdir, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatDuration, formatSize } from '../src/cli/format.ts';
import type { IndexResult, PushResult, WarmResult } from '../src/lib/operations/results.ts';
import { startLoopbackRegistry } from '../test/servers/loopback-registry.ts';
import { makeImage } from './make-image.ts';
import { runClipctl } from './run-clipctl.ts';
import { bold, figuresOf, sizeColumn, tell, tellCommand, tellStep } from './story.ts';

interface Places {
  readonly clip: string;
  readonly cache: string;
  readonly remote: string;
  readonly secondCache: string;
  readonly image: string;
}

interface Origin {
  readonly reference: string;
  /** Ends the registry, where it is ours. */
  stop(): Promise<void>;
}

async function main(reference: string | undefined): Promise<void> {
  const started = performance.now();
  const node = `Node ${process.versions.node}, ${cpus().length} cores, ${process.platform}/${process.arch}`;
  process.stdout.write(`${bold('clipctl')} · ${node}\n`);
  const places = await emptyPlaces();
  const origin = reference === undefined ? await serveMadeImage(places) : { reference, stop: async () => {} };
  try {
    await index(origin.reference, places);
    await warm(origin.reference, places);
    await push(places);
  } finally {
    await origin.stop();
  }
  await warmSecondMachine(places);
  await inspect(places);
  process.stdout.write(`\ndone in ${formatDuration(performance.now() - started)}; the results stay until the next npm start:\n`);
  process.stdout.write(`clip=${resolve(places.clip)} cache=${resolve(places.cache)} remote=${resolve(places.remote)}\n`);
}

/** Relative paths: short to read, and the commands can be typed again as they are printed. */
async function emptyPlaces(): Promise<Places> {
  const folder = join('build', 'demo');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return {
    clip: join(folder, 'image.clip'),
    cache: join(folder, 'cache'),
    remote: join(folder, 'remote'),
    secondCache: join(folder, 'second-cache'),
    image: join(folder, 'image'),
  };
}

async function serveMadeImage(places: Places): Promise<Origin> {
  tellStep('A real image, made out of files on this machine');
  const layers = await makeImage(places.image);
  for (const { folder, compression, uncompressedBytes, compressedBytes, durationMs } of layers) {
    const sizes = `${sizeColumn(uncompressedBytes)} → ${compression.padEnd(4)}${sizeColumn(compressedBytes)}`;
    tell(`${folder.padEnd(18)}${sizes}${formatDuration(durationMs).padStart(10)}`);
  }
  const registry = await startLoopbackRegistry({ repositories: { 'demo/system': places.image } });
  tell(`served by a registry on loopback, ${registry.host}`);
  return { reference: `${registry.host}/demo/system:latest`, stop: () => registry.close() };
}

async function index(reference: string, { clip, cache }: Places): Promise<void> {
  tellStep('index: one pass over every layer');
  const result = await runJson<IndexResult>(['index', reference, '-o', clip, '--cache-dir', cache]);
  for (const { entries, layers, indexBytes } of result.platforms) {
    tell(`${entries} paths of ${layers.length} layers in an index of ${formatSize(indexBytes)}`);
    tell('every digest and every diffID was verified');
    tell(
      figuresOf(
        result,
        sum(layers, (layer) => layer.uncompressedBytes),
      ),
    );
  }
}

async function warm(reference: string, { cache }: Places): Promise<void> {
  tellStep('warm: the layers into the disk cache');
  const result = await runJson<WarmResult>(['warm', reference, '--cache-dir', cache]);
  tellWarmed(result);
}

async function push({ clip, cache, remote }: Places): Promise<void> {
  tellStep('push-cache: from the disk cache into a remote one');
  const result = await runJson<PushResult>(['push-cache', clip, '--to', fileUrl(remote), '--cache-dir', cache]);
  for (const { url, layers } of result.remotes) {
    const sentBytes = sum(layers, (layer) => layer.sentBytes);
    const chunks = sum(layers, (layer) => layer.chunks);
    tell(`${formatSize(sentBytes)} in ${chunks} chunks of at most 32 MiB to`);
    tell(url);
    tell(figuresOf(result, sentBytes));
  }
}

async function warmSecondMachine({ clip, remote, secondCache }: Places): Promise<void> {
  tellStep('A second machine: its cache is empty, the registry is switched off');
  const result = await runJson<WarmResult>(['warm', clip, '--from', fileUrl(remote), '--cache-dir', secondCache]);
  tellWarmed(result);
  await rm(secondCache, { recursive: true, force: true });
}

function tellWarmed(result: WarmResult): void {
  const layers = result.images.flatMap((image) => image.layers);
  const tiers = [...new Set(layers.map((layer) => layer.servedBy))];
  const { uncompressedBytes, downloadedBytes, requests } = result.totals;
  tell(`${layers.length} layers, ${formatSize(uncompressedBytes)}, from: ${tiers.join(', ')}`);
  tell(`${formatSize(downloadedBytes)} fetched, ${requests} requests to the registry`);
  tell(figuresOf(result, uncompressedBytes));
}

async function inspect({ clip, cache, remote }: Places): Promise<void> {
  tellStep('inspect: what the image is and where it is warm');
  const args = ['inspect', clip, '--from', fileUrl(remote), '--cache-dir', cache];
  tellCommand(args);
  process.stdout.write(`\n${await runClipctl(args)}`);
}

/** Runs a command with --json, which is left out of the command shown. */
async function runJson<T>(args: readonly string[]): Promise<T> {
  tellCommand(args);
  return JSON.parse(await runClipctl([...args, '--json'])) as T;
}

function fileUrl(folder: string): string {
  return pathToFileURL(folder).href;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

try {
  await main(process.argv[2]);
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
