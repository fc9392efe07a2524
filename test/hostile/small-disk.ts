/** A file system that is nearly too small, of which nobody else knows, and a registry: images are warmed there, each in its process. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inMountNamespace, runChild } from '../cache/cache-process.ts';
import { startLoopbackRegistry, type FaultScript } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface SmallDisk {
  /** For what is not on that file system. */
  readonly directory: string;
  readonly sizeMib: number;
  readonly floorMib: number;
  readonly bytesPerSecond: number;
  /**
   * For sh: `warm N` warms image N, `start N` begins to, with its process in `$begun`; `$cache`, `$work` are directories.
   * Default: all at once.
   */
  readonly script?: string;
  /** Of requests for blobs. */
  readonly faults?: FaultScript;
}

export interface Outcome {
  /** By image, of its last `warm`. */
  readonly codes: readonly number[];
  readonly said: string;
  /** Layers at the end. */
  readonly kept: number;
  /** At any time. */
  readonly leastFreeBytes: number;
  /** Names of files that lay beside layers at any time. */
  readonly beside: ReadonlySet<string>;
  /** What the registry has sent, by image. */
  readonly servedBytes: readonly number[];
}

/** An image for each layer. @throws when the script fails */
export async function warmOnSmallDisk(layers: readonly MadeLayer[], disk: SmallDisk): Promise<Outcome> {
  const { directory, sizeMib, bytesPerSecond, faults } = disk;
  const images = await Promise.all(layers.map((layer, at) => makeLayout(join(directory, `image-${at}`), [layer])));
  const repositories = Object.fromEntries(images.map((image, at) => [`image-${at}`, image.directory]));
  const registry = await startLoopbackRegistry({ repositories });
  registry.script = (request) => (request.path.includes('/blobs/') ? (faults?.(request) ?? { bytesPerSecond }) : undefined);
  const cacheDir = join(directory, 'cache');
  await mkdir(cacheDir, { mode: 0o700 });
  await writeFile(join(directory, 'running'), '');
  const script = scriptOf(disk, { cacheDir, host: registry.host, images: images.length });
  try {
    await runChild(inMountNamespace(`mount -t tmpfs -o size=${sizeMib}m,mode=700 none '${cacheDir}'`, ['sh', '-c', script]));
  } finally {
    await registry.close();
  }
  const textOf = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const seen = (await textOf('seen')).split('\n');
  const sentOf = (at: number): number =>
    registry.requests.filter(({ path }) => path.includes(`/image-${at}/`)).reduce((sum, { bytesServed }) => sum + bytesServed, 0);
  return {
    codes: (await Promise.all(images.map((_, at) => textOf(`code-${at}`)))).map(Number),
    said: await textOf('said'),
    kept: Number(await textOf('kept')),
    leastFreeBytes: Math.min(...seen.flatMap(freeBytesIn)),
    beside: new Set(seen.filter((line) => /^[a-z]+$/.test(line))),
    servedBytes: images.map((_, at) => sentOf(at)),
  };
}

interface Run {
  readonly cacheDir: string;
  readonly host: string;
  readonly images: number;
}

function scriptOf({ directory, floorMib, script }: SmallDisk, { cacheDir, host, images }: Run): string {
  const all = Array.from({ length: images }, (_, at) => `warm ${at} & pids="$pids $!"`);
  return `
    cache='${cacheDir}'; work='${directory}'; ingest="$cache/.clipctl/v1/ingest"
    clipctl() { exec '${process.execPath}' '${BIN}' warm --progress none --retries 50 --min-free ${floorMib}MiB --max-cache-size 2GiB --cache-dir "$cache" "${host}/image-$1:v1" >>"$work/said" 2>&1; }
    warm() { (clipctl "$1"); echo $? >"$work/code-$1"; }
    start() { clipctl "$1" & begun=$!; }
    sizeOf() { cat "$ingest"/*/"$1" 2>/dev/null | wc -c; }
    while [ -e "$work/running" ]; do stat -f -c '%a %S' "$cache"; ls "$ingest"/* 2>/dev/null; done >"$work/seen" & watch=$!
    ${script ?? `${all.join('\n')}\nwait $pids`}
    rm "$work/running"; wait $watch; ls "$cache" | grep -cE '^[0-9a-f]{64}$' >"$work/kept"; echo '{}'`;
}

function freeBytesIn(line: string): number[] {
  const [, blocks, blockBytes] = /^(\d+) (\d+)$/.exec(line) ?? [];
  return blocks === undefined ? [] : [Number(blocks) * Number(blockBytes)];
}
