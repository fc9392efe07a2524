/**
 * What lies beside a layer while it comes, to go on with should its process be killed: it is asked for before it comes, so the
 * free-space floor holds, and it is given up where a layer needs the room. RELIABILITY §2 row 11.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace, runChild } from '../cache/cache-process.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
/** Directories, journals, locks and leases. */
const SLACK_BYTES = MIB;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-beside-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

interface FileSystem {
  readonly sizeMib: number;
  readonly floorMib: number;
  readonly bytesPerSecond: number;
}

interface Outcome {
  readonly codes: readonly number[];
  readonly said: string;
  readonly kept: number;
  /** At any time. */
  readonly leastFreeBytes: number;
  /** Names of files that lay beside layers at any time. */
  readonly beside: ReadonlySet<string>;
}

function noise(seed: number, bytes: number): Buffer {
  return Buffer.from(seededContent(seed, bytes).slice(0, bytes));
}

/** Compresses to its first half. */
function halfNoise(seed: number, bytes: number): MadeLayer {
  return { files: { 'a.bin': Buffer.concat([noise(seed, bytes / 2), Buffer.alloc(bytes / 2, seed)]) }, compression: 'zstd' };
}

/** Warms them all at once, each in its process, from a registry onto a file system of its own. */
async function warmAll(layers: readonly MadeLayer[], { sizeMib, floorMib, bytesPerSecond }: FileSystem): Promise<Outcome> {
  const images = await Promise.all(layers.map((layer, at) => makeLayout(join(directory, `image-${at}`), [layer])));
  const repositories = Object.fromEntries(images.map((image, at) => [`image-${at}`, image.directory]));
  const registry = await startLoopbackRegistry({ repositories });
  registry.script = ({ path }) => (path.includes('/blobs/') ? { bytesPerSecond } : undefined);
  const cacheDir = join(directory, 'cache');
  await mkdir(cacheDir, { mode: 0o700 });
  const warm = `'${process.execPath}' '${BIN}' warm --progress none --min-free ${floorMib}MiB --max-cache-size 2GiB --cache-dir '${cacheDir}'`;
  const runs = images.map(
    (_, at) => `(${warm} '${registry.host}/image-${at}:v1'; echo $? >'${directory}/code-${at}') >>'${directory}/said' 2>&1 &`,
  );
  const watch = `while [ -e '${directory}/runs' ]; do stat -f -c '%a %S' '${cacheDir}'; ls '${cacheDir}'/.clipctl/v1/ingest/* 2>/dev/null; done >'${directory}/seen' & watch=$!`;
  await writeFile(join(directory, 'runs'), '');
  const done = runs.map((_, at) => `run${at}`).join(' ');
  const waits = `wait ${done.replaceAll('run', '$run')}`;
  const started = runs.map((run, at) => `${run} run${at}=$!`).join('\n');
  const script = `${watch}\n${started}\n${waits}; rm '${directory}/runs'; wait $watch; ls '${cacheDir}' | grep -cE '^[0-9a-f]{64}$' >'${directory}/kept'; echo '{}'`;
  try {
    await runChild(inMountNamespace(`mount -t tmpfs -o size=${sizeMib}m,mode=700 none '${cacheDir}'`, ['sh', '-c', script]));
  } finally {
    await registry.close();
  }
  const seen = (await readFile(join(directory, 'seen'), 'utf8')).split('\n');
  const free = seen.flatMap(freeBytesIn);
  const codes = await Promise.all(images.map((_, at) => readFile(join(directory, `code-${at}`), 'utf8')));
  return {
    codes: codes.map(Number).sort(),
    said: await readFile(join(directory, 'said'), 'utf8'),
    kept: Number(await readFile(join(directory, 'kept'), 'utf8')),
    leastFreeBytes: Math.min(...free),
    beside: new Set(seen.filter((line) => /^[a-z]+$/.test(line))),
  };
}

function freeBytesIn(line: string): number[] {
  const [, blocks, blockBytes] = /^(\d+) (\d+)$/.exec(line) ?? [];
  return blocks === undefined ? [] : [Number(blocks) * Number(blockBytes)];
}

describe.skipIf(!canMount)('the free-space floor holds', () => {
  it('while zstd layers come whose compressed bytes have no room beside them, and the layers come', async () => {
    const layers = [halfNoise(1, 56 * MIB), halfNoise(2, 56 * MIB)];
    const found = await warmAll(layers, { sizeMib: 200, floorMib: 64, bytesPerSecond: 20 * MIB });
    expect(found.codes, found.said).toEqual([0, 0]);
    expect(found.kept).toBe(2);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(64 * MIB - SLACK_BYTES);
    expect(found.beside).toContain('spool');
  });

  it('while a zstd layer comes that fits and its compressed bytes do not: it comes without them', async () => {
    const layer: MadeLayer = { files: { 'a.bin': noise(1, 72 * MIB) }, compression: 'zstd' };
    const found = await warmAll([layer], { sizeMib: 200, floorMib: 64, bytesPerSecond: 40 * MIB });
    expect(found.codes, found.said).toEqual([0]);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(64 * MIB - SLACK_BYTES);
  });

  it('while a gzip layer comes of which much is loaded before its turn, and the layer comes', async () => {
    const layer: MadeLayer = { files: { 'a.bin': noise(1, 28 * MIB) }, compression: 'gzip' };
    const found = await warmAll([layer], { sizeMib: 1024, floorMib: 994, bytesPerSecond: 4 * MIB });
    expect(found.codes, found.said).toEqual([0]);
    expect(found.leastFreeBytes).toBeGreaterThanOrEqual(994 * MIB - SLACK_BYTES);
  });
});
